/* Calls each function of libdtq as a program in C does; prints nothing and returns 0 when all is right. */
#define _POSIX_C_SOURCE 200809L
#undef NDEBUG
#include "dtq.h"
#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* What other languages count on: sizes, and numbers of names. */
typedef char sizes[sizeof(DtqBytes) == 2 * sizeof(void *) && sizeof(DtqHost) == 3 * sizeof(void *) && sizeof(DtqStatus) == 4 && sizeof(DtqVerdict) == 4 ? 1 : -1];
typedef char numbers[DTQ_STATUS_INTERNAL == 3 && DTQ_VERDICT_CHANGED == 2 && DTQ_SIGNAL_SPANS == 2 ? 1 : -1];

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

/* A record of severity 5, and one of severity 17. */
static const uint8_t low[] = {0x0A, 6, 0x12, 4, 0x12, 2, 0x10, 5}, high[] = {0x0A, 6, 0x12, 4, 0x12, 2, 0x10, 17};

#define LOW HEAD "  - {name: low, to: drop, kql: logs | where SeverityNumber between (1 .. 8)}\n"
#define EDIT HEAD "  - {name: name, tiers: [in-process], to: replace, kql: 'logs | extend EventName = \"n\"'}\n"

/* Judges from several threads while another one loads other rules and asks for the accounts. */
static void *judging(void *rules) {
    int round;
    for (round = 0; round < 2000; round++) {
        DtqVerdict verdict;
        DtqBytes bytes;
        assert(dtq_rules_judge(rules, DTQ_SIGNAL_LOGS, round % 2 ? low : high, sizeof low, &verdict, &bytes) == DTQ_STATUS_OK);
        assert((verdict == DTQ_VERDICT_CHANGED) == (bytes.data != NULL));
        dtq_bytes_free(&bytes);
    }
    return NULL;
}

static void threads(void) {
    pthread_t all[3];
    DtqRules *rules = NULL;
    DtqBytes bytes;
    int at;
    assert(dtq_rules_new(TEXT(LOW), NULL, &rules, NULL) == DTQ_STATUS_OK);
    for (at = 0; at < 3; at++) assert(pthread_create(&all[at], NULL, judging, rules) == 0);
    for (at = 0; at < 20; at++) {
        assert(dtq_rules_reload(rules, at % 2 ? (const uint8_t *)LOW : (const uint8_t *)EDIT, at % 2 ? sizeof LOW - 1 : sizeof EDIT - 1, NULL) == DTQ_STATUS_OK);
        assert(dtq_rules_accounts(rules, &bytes) == DTQ_STATUS_OK && bytes.size);
        dtq_bytes_free(&bytes);
    }
    for (at = 0; at < 3; at++) assert(pthread_join(all[at], NULL) == 0);
    assert(dtq_rules_accounts(rules, &bytes) == DTQ_STATUS_OK && strstr((const char *)bytes.data, "\"records\":6000"));
    dtq_bytes_free(&bytes);
    dtq_rules_free(rules);
}

/* A child counts from zero, judges, and takes other rules; the parent goes on. */
static void forks(void) {
    DtqRules *rules = NULL;
    DtqVerdict verdict;
    DtqBytes bytes;
    int status = 1;
    pid_t child;
    assert(dtq_rules_new(TEXT(LOW), NULL, &rules, NULL) == DTQ_STATUS_OK);
    assert(dtq_rules_judge(rules, 0, low, sizeof low, &verdict, &bytes) == DTQ_STATUS_OK && verdict == DTQ_VERDICT_DROP);
    child = fork();
    if (child == 0) {
        assert(dtq_rules_judge(rules, 0, low, sizeof low, &verdict, &bytes) == DTQ_STATUS_OK && verdict == DTQ_VERDICT_DROP);
        assert(dtq_rules_accounts(rules, &bytes) == DTQ_STATUS_OK && strstr((const char *)bytes.data, "\"records\":1,"));
        dtq_bytes_free(&bytes);
        assert(dtq_rules_reload(rules, TEXT(EDIT), NULL) == DTQ_STATUS_OK);
        dtq_after_fork();
        dtq_rules_free(rules);
        _exit(0);
    }
    assert(child > 0 && waitpid(child, &status, 0) == child && status == 0);
    assert(dtq_rules_judge(rules, 0, low, sizeof low, &verdict, &bytes) == DTQ_STATUS_OK && verdict == DTQ_VERDICT_DROP);
    dtq_rules_free(rules);
}

/* Rules of a file, and what is wrong with it. */
static void file(void) {
    char path[] = "/tmp/dtq-abi-XXXXXX";
    DtqRules *rules = NULL;
    DtqBytes bytes;
    int made = mkstemp(path);
    assert(made >= 0 && write(made, LOW, sizeof LOW - 1) == (ssize_t)(sizeof LOW - 1));
    assert(dtq_rules_open((const uint8_t *)path, strlen(path), NULL, &rules, NULL) == DTQ_STATUS_OK);
    assert(dtq_rules_reload_file(rules, &bytes) == DTQ_STATUS_OK && bytes.data == NULL);
    assert(write(made, "rules: [", 8) == 8);
    assert(dtq_rules_reload_file(rules, &bytes) == DTQ_STATUS_REFUSED && strstr((const char *)bytes.data, path));
    dtq_bytes_free(&bytes);
    assert(close(made) == 0 && remove(path) == 0);
    assert(dtq_rules_reload_file(rules, NULL) == DTQ_STATUS_REFUSED);
    assert(dtq_rules_reload_file(NULL, NULL) == DTQ_STATUS_BAD_ARGUMENT);
    dtq_rules_free(rules);
}

/* Rules that are freed once more, used afterwards, or freed while other threads judge. */
static void *judging_what_ends(void *rules) {
    DtqStatus status = DTQ_STATUS_OK;
    while (status == DTQ_STATUS_OK) {
        DtqVerdict verdict;
        DtqBytes bytes;
        status = dtq_rules_judge(rules, DTQ_SIGNAL_LOGS, low, sizeof low, &verdict, &bytes);
        assert(verdict == (status == DTQ_STATUS_OK ? DTQ_VERDICT_DROP : DTQ_VERDICT_PASS) && bytes.data == NULL);
        (void)dtq_rules_concern(rules, DTQ_SIGNAL_LOGS);
    }
    assert(status == DTQ_STATUS_BAD_ARGUMENT);
    return NULL;
}

static void *freeing(void *rules) {
    dtq_rules_free(rules);
    return NULL;
}

static void ends(void) {
    int round, at;
    for (round = 0; round < 20; round++) {
        pthread_t all[5];
        DtqRules *rules = NULL;
        DtqBytes bytes;
        DtqVerdict verdict;
        assert(dtq_rules_new(TEXT(LOW), NULL, &rules, NULL) == DTQ_STATUS_OK);
        for (at = 0; at < 3; at++) assert(pthread_create(&all[at], NULL, judging_what_ends, rules) == 0);
        assert(dtq_rules_accounts(rules, &bytes) == DTQ_STATUS_OK);
        dtq_bytes_free(&bytes);
        for (at = 3; at < 5; at++) assert(pthread_create(&all[at], NULL, freeing, rules) == 0);
        for (at = 0; at < 5; at++) assert(pthread_join(all[at], NULL) == 0);
        dtq_rules_free(rules);
        assert(dtq_rules_judge(rules, 0, low, sizeof low, &verdict, &bytes) == DTQ_STATUS_BAD_ARGUMENT && verdict == DTQ_VERDICT_PASS);
        assert(dtq_rules_reload(rules, TEXT(LOW), &bytes) == DTQ_STATUS_BAD_ARGUMENT && bytes.data == NULL);
        assert(dtq_rules_reload_file(rules, NULL) == DTQ_STATUS_BAD_ARGUMENT && dtq_rules_tick(rules) == DTQ_STATUS_BAD_ARGUMENT);
        assert(dtq_rules_accounts(rules, &bytes) == DTQ_STATUS_BAD_ARGUMENT && dtq_rules_concern(rules, 0) == 0);
    }
}

/* Bytes whose size a program has changed, and a copy that is given back once more where it still is its own. */
static void bytes_of_others(DtqRules *rules) {
    uint8_t own[64] = {0};
    DtqBytes bytes, foreign;
    assert(dtq_rules_accounts(rules, &bytes) == DTQ_STATUS_OK && bytes.size > 100 && bytes.data[bytes.size] == 0);
    bytes.size = 3;
    dtq_bytes_free(&bytes);
    assert(bytes.data == NULL && bytes.size == 0);
    foreign.data = own + 32;
    foreign.size = 8;
    dtq_bytes_free(&foreign);
    assert(foreign.data == NULL && own[32] == 0);
}

int main(void) {
    DtqHost host = {&notices, on_notice, on_emission};
    DtqRules *rules = NULL;
    DtqBytes bytes;
    DtqVerdict verdict;
    const uint8_t timed[] = {0x0A, 13, 0x12, 11, 0x12, 9, 0x09, 1, 0, 0, 0, 0, 0, 0, 0};

    assert(dtq_abi_version() == DTQ_ABI_VERSION && strlen(dtq_version()) >= 5);
    threads();
    forks();
    file();
    ends();
    assert(dtq_rules_new(TEXT(HEAD "  - {name: x, to: drop, kql: logs | where Nothing}\n"), &host, &rules, &bytes) == DTQ_STATUS_REFUSED);
    assert(rules == NULL && bytes.size && strstr((const char *)bytes.data, "rules.yaml:3"));
    dtq_bytes_free(&bytes);
    dtq_bytes_free(&bytes);
    dtq_bytes_free(NULL);

    assert(dtq_rules_new(TEXT(HEAD "  - {name: low, to: drop, kql: logs | where SeverityNumber between (1 .. 8)}\n"), &host, &rules, &bytes) == DTQ_STATUS_OK);
    assert(dtq_rules_judge(rules, DTQ_SIGNAL_LOGS, low, sizeof low, &verdict, &bytes) == DTQ_STATUS_OK && verdict == DTQ_VERDICT_DROP);
    assert(dtq_rules_judge(rules, DTQ_SIGNAL_LOGS, high, sizeof high, &verdict, &bytes) == DTQ_STATUS_OK && verdict == DTQ_VERDICT_PASS);
    assert(dtq_rules_concern(rules, DTQ_SIGNAL_LOGS) == 1 && dtq_rules_concern(rules, DTQ_SIGNAL_SPANS) == 0);
    assert(dtq_rules_concern(rules, 9) == 0 && dtq_rules_concern(NULL, 0) == 0);
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
    assert(dtq_rules_reload(rules, TEXT(HEAD "  - {name: far, tiers: [collector], to: drop, kql: logs | where SeverityNumber > 3}\n"), NULL) == DTQ_STATUS_OK && notices == 2);
    assert(dtq_rules_accounts(rules, &bytes) == DTQ_STATUS_OK && strstr((const char *)bytes.data, "\"left_out\":[\"far\"]"));
    dtq_bytes_free(&bytes);
    bytes_of_others(rules);
    /* What no program should do is an error and no crash. */
    assert(dtq_rules_judge(rules, 0, low, (size_t)-1, &verdict, &bytes) == DTQ_STATUS_BAD_ARGUMENT && verdict == DTQ_VERDICT_PASS);
    assert(dtq_rules_judge(rules, -1, low, sizeof low, &verdict, &bytes) == DTQ_STATUS_BAD_ARGUMENT);
    assert(dtq_rules_judge(rules, 0, low, sizeof low, &verdict, NULL) == DTQ_STATUS_BAD_ARGUMENT);
    assert(dtq_rules_new((const uint8_t *)LOW, (size_t)-1, NULL, &rules, NULL) == DTQ_STATUS_BAD_ARGUMENT);
    assert(dtq_rules_new(TEXT(LOW), NULL, NULL, NULL) == DTQ_STATUS_BAD_ARGUMENT);
    assert(dtq_rules_open(TEXT("a\0b"), NULL, &rules, NULL) == DTQ_STATUS_REFUSED);
    assert(dtq_rules_open(TEXT("\xff"), NULL, &rules, NULL) == DTQ_STATUS_BAD_ARGUMENT);
    assert(dtq_rules_open(NULL, 0, NULL, &rules, NULL) == DTQ_STATUS_REFUSED);
    assert(dtq_rules_reload(rules, TEXT("\xff"), NULL) == DTQ_STATUS_BAD_ARGUMENT);
    assert(dtq_rules_accounts(rules, NULL) == DTQ_STATUS_BAD_ARGUMENT);
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
