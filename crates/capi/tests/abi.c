/* Calls each function of libdtq as a program in C does; prints nothing and returns 0 when all is right. */
#include "dtq.h"
#include <assert.h>
#include <string.h>

static int notices, emissions;

static void on_notice(void *context, const char *name, const char *message) {
    assert(context == &notices && name[0] && message[0]);
    notices++;
}

static int32_t on_emission(void *context, int32_t signal, const char *destination, const uint8_t *data, size_t size) {
    assert(context == &notices && signal == DTQ_SIGNAL_METRICS && destination == NULL && data && size);
    emissions++;
    return 1;
}

#define TEXT(rules) ((const uint8_t *)(rules)), sizeof(rules) - 1
#define HEAD "apiVersion: dtq/v1\nrules:\n"

int main(void) {
    DtqHost host = {&notices, on_notice, on_emission};
    DtqRules *rules = NULL;
    DtqBytes bytes;
    DtqVerdict verdict;
    /* A record of severity 5, and one of severity 17. */
    const uint8_t low[] = {0x0A, 6, 0x12, 4, 0x12, 2, 0x10, 5}, high[] = {0x0A, 6, 0x12, 4, 0x12, 2, 0x10, 17};
    const uint8_t timed[] = {0x0A, 13, 0x12, 11, 0x12, 9, 0x09, 1, 0, 0, 0, 0, 0, 0, 0};

    assert(dtq_abi_version() == DTQ_ABI_VERSION);
    assert(dtq_rules_new(TEXT(HEAD "  - {name: x, to: drop, kql: logs | where Nothing}\n"), &host, &rules, &bytes) == DTQ_STATUS_REFUSED);
    assert(rules == NULL && bytes.size && strstr((const char *)bytes.data, "rules.yaml:3"));
    dtq_bytes_free(&bytes);
    dtq_bytes_free(&bytes);
    dtq_bytes_free(NULL);

    assert(dtq_rules_new(TEXT(HEAD "  - {name: low, to: drop, kql: logs | where SeverityNumber between (1 .. 8)}\n"), &host, &rules, &bytes) == DTQ_STATUS_OK);
    assert(dtq_rules_judge(rules, DTQ_SIGNAL_LOGS, low, sizeof low, &verdict, &bytes) == DTQ_STATUS_OK && verdict == DTQ_VERDICT_DROP);
    assert(dtq_rules_judge(rules, DTQ_SIGNAL_LOGS, high, sizeof high, &verdict, &bytes) == DTQ_STATUS_OK && verdict == DTQ_VERDICT_PASS);
    assert(dtq_rules_judge(rules, DTQ_SIGNAL_LOGS, NULL, 0, &verdict, &bytes) == DTQ_STATUS_OK && verdict == DTQ_VERDICT_PASS);

    assert(dtq_rules_reload(rules, TEXT("rules: ["), &bytes) == DTQ_STATUS_REFUSED && bytes.size);
    dtq_bytes_free(&bytes);
    assert(dtq_rules_reload(rules, TEXT(HEAD "  - {name: name, tiers: [in-process], to: replace, kql: 'logs | extend EventName = \"n\"'}\n"), NULL) == DTQ_STATUS_OK);
    assert(dtq_rules_judge(rules, DTQ_SIGNAL_LOGS, low, sizeof low, &verdict, &bytes) == DTQ_STATUS_OK && verdict == DTQ_VERDICT_CHANGED);
    assert(bytes.size == sizeof low + 3);
    dtq_bytes_free(&bytes);

    assert(dtq_rules_reload(rules, TEXT(HEAD "  - {name: n, tiers: [in-process], to: metrics, metrics: {n: {name: n, type: sum, unit: '1', temporality: delta}}, kql: 'logs | summarize n = count() by bin(Timestamp, 1m)'}\n"), NULL) == DTQ_STATUS_OK);
    assert(dtq_rules_judge(rules, DTQ_SIGNAL_LOGS, timed, sizeof timed, &verdict, &bytes) == DTQ_STATUS_OK);
    assert(dtq_rules_tick(rules) == DTQ_STATUS_OK);
    assert(dtq_rules_judge(rules, DTQ_SIGNAL_LOGS, timed, 5, &verdict, &bytes) == DTQ_STATUS_OK && verdict == DTQ_VERDICT_PASS);
    assert(notices == 1);

    assert(dtq_rules_accounts(rules, &bytes) == DTQ_STATUS_OK && strstr((const char *)bytes.data, "\"counts\""));
    dtq_bytes_free(&bytes);
    /* What no program should do is an error and no crash. */
    assert(dtq_rules_judge(NULL, 0, low, sizeof low, &verdict, &bytes) == DTQ_STATUS_BAD_ARGUMENT && verdict == DTQ_VERDICT_PASS);
    assert(dtq_rules_judge(rules, 7, low, sizeof low, &verdict, &bytes) == DTQ_STATUS_BAD_ARGUMENT);
    assert(dtq_rules_judge(rules, 0, NULL, 9, &verdict, &bytes) == DTQ_STATUS_BAD_ARGUMENT);
    assert(dtq_rules_judge(rules, 0, low, sizeof low, NULL, &bytes) == DTQ_STATUS_BAD_ARGUMENT);
    assert(dtq_rules_new(NULL, 3, NULL, &rules, NULL) == DTQ_STATUS_BAD_ARGUMENT);
    assert(dtq_rules_new(TEXT("\xff"), NULL, &rules, NULL) == DTQ_STATUS_BAD_ARGUMENT);
    assert(dtq_rules_open(TEXT("no such file"), NULL, &rules, &bytes) == DTQ_STATUS_REFUSED && bytes.size);
    dtq_bytes_free(&bytes);
    assert(dtq_rules_reload(NULL, TEXT(""), NULL) == DTQ_STATUS_BAD_ARGUMENT);
    assert(dtq_rules_accounts(NULL, &bytes) == DTQ_STATUS_BAD_ARGUMENT && dtq_rules_tick(NULL) == DTQ_STATUS_BAD_ARGUMENT);
    dtq_rules_free(NULL);
    dtq_rules_free(rules);
    assert(emissions == 1);
    return 0;
}
