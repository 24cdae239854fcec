"""The reference questions for rotel: records that do not stay are removed from their request."""


def attribute(attributes, key):
    for one in attributes:
        if one.key == key:
            return one.value.value
    return None


def is_banner(record):
    return attribute(record.attributes, "EventName") == "LogWelcomeBanner"


def is_f3(record, service):
    if record.severity_number < 9 or "timeout" not in record.body.value:
        return False
    return service == "checkout" or attribute(record.attributes, "http.status_code") >= 500


def process_logs(resource_logs):
    service = attribute(resource_logs.resource.attributes, "service.name")
    for scope_logs in resource_logs.scope_logs:
        records = scope_logs.log_records
        gone = [index for index, record in enumerate(records) if not (KEEPS)]
        for index in reversed(gone):
            del records[index]
