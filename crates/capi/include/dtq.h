// libdtq: rules on telemetry. Made by cbindgen from crates/capi/src; DTQ_BLESS=1 cargo test -p dtq-capi writes it anew.

#ifndef DTQ_H
#define DTQ_H

#include <stddef.h>
#include <stdint.h>

// The version of these calls; it moves on when one of them changes, not when one is added.
#define DTQ_ABI_VERSION 1

// Says how a call ended.
enum DtqStatus
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // It did what it says.
  DTQ_STATUS_OK = 0,
  // A pointer is null, a text is no UTF-8, or a number names nothing.
  DTQ_STATUS_BAD_ARGUMENT = 1,
  // The rules are wrong; those before go on.
  DTQ_STATUS_REFUSED = 2,
  // dtq made a mistake; the record passes.
  DTQ_STATUS_INTERNAL = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum DtqStatus DtqStatus;
#else
typedef int32_t DtqStatus;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Says what becomes of a request.
enum DtqVerdict
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // It goes on as it is.
  DTQ_VERDICT_PASS = 0,
  // It is removed.
  DTQ_VERDICT_DROP = 1,
  // Other bytes go on in its place.
  DTQ_VERDICT_CHANGED = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum DtqVerdict DtqVerdict;
#else
typedef int32_t DtqVerdict;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Says what the records of a request are.
enum DtqSignal
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // An ExportLogsServiceRequest.
  DTQ_SIGNAL_LOGS = 0,
  // An ExportMetricsServiceRequest.
  DTQ_SIGNAL_METRICS = 1,
  // An ExportTraceServiceRequest.
  DTQ_SIGNAL_SPANS = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum DtqSignal DtqSignal;
#else
typedef int32_t DtqSignal;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// The rules of a program; made by dtq_rules_new and dtq_rules_open, ended by dtq_rules_free.
typedef struct DtqRules DtqRules;

// Functions of the program that rules tell of notices and of requests that they make; each may be null.
//
// They are called on the thread that judges, must not unwind, and must be safe to call from any thread.
typedef struct {
  // Handed to both.
  void *context;
  // Takes a notice: event name and message, zero-terminated, valid during the call.
  void (*on_notice)(void *context, const char *event_name, const char *message);
  // Takes a request that rules made; the destination is null where requests go on. Nonzero says that it was taken.
  int32_t (*on_emission)(void *context,
                         int32_t signal,
                         const char *destination,
                         const uint8_t *data,
                         size_t size);
} DtqHost;

// Bytes that the caller owns and gives back with dtq_bytes_free.
typedef struct {
  // The bytes; null when there are none. Texts have a zero behind their last byte, which is not counted.
  uint8_t *data;
  // How many.
  size_t size;
} DtqBytes;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Gives the version of these calls, DTQ_ABI_VERSION of the library.
uint32_t dtq_abi_version(void);

// Gives the version of the library, as "0.1.0": a text that is there for good.
const char *dtq_version(void);

// Tells that this may be the child of a fork: its rules begin anew, and what the parent holds stays with the parent.
//
// A fork by the C library calls this by itself; only a process made in another way has to. Once more does nothing.
void dtq_after_fork(void);

// Makes rules of a text; when they are wrong, `report` gets the reasons, each with its position.
//
// # Safety
// `text` points to `size` bytes, `host` to functions or is null, `rules` and `report` to variables; `report` may be null.
DtqStatus dtq_rules_new(const uint8_t *text,
                        size_t size,
                        const DtqHost *host,
                        DtqRules **rules,
                        DtqBytes *report);

// Makes rules of a file, which is looked at again about once a second by a thread that judges.
//
// # Safety
// As for `dtq_rules_new`, with the path in the place of the text.
DtqStatus dtq_rules_open(const uint8_t *path,
                         size_t size,
                         const DtqHost *host,
                         DtqRules **rules,
                         DtqBytes *report);

// Takes the rules of a text in the place of those that run; when they are wrong, those before go on.
//
// # Safety
// `rules` is from these calls, `text` points to `size` bytes, `report` to a variable or is null.
DtqStatus dtq_rules_reload(const DtqRules *rules,
                           const uint8_t *text,
                           size_t size,
                           DtqBytes *report);

// Reads the file of dtq_rules_open again, whether it has changed or not; when it is wrong, the rules before go on.
//
// # Safety
// `rules` is from these calls, `report` points to a variable or is null.
DtqStatus dtq_rules_reload_file(const DtqRules *rules,
                                DtqBytes *report);

// Says whether any rule is for a signal, as 1 or 0: where none is, a request need not be made to be judged.
//
// # Safety
// `rules` is from these calls.
int32_t dtq_rules_concern(const DtqRules *rules,
                          int32_t signal);

// Says what becomes of an OTLP request; where it is changed, `changed` gets the bytes that go on.
//
// What rules make besides goes to `on_emission`. On any status but DTQ_STATUS_OK the verdict is to pass.
//
// # Safety
// `rules` is from these calls, `request` points to `size` bytes, `verdict` and `changed` to variables.
DtqStatus dtq_rules_judge(const DtqRules *rules,
                          int32_t signal,
                          const uint8_t *request,
                          size_t size,
                          DtqVerdict *verdict,
                          DtqBytes *changed);

// Hands what is due by the time to `on_emission`: metrics whose window is over. For programs that are silent for long.
//
// # Safety
// `rules` is from these calls.
DtqStatus dtq_rules_tick(const DtqRules *rules);

// Gives the account of each rule and the counts of all, as JSON: {"running":..., "counts":{...}, "rules":[...],
// "left_out":[names of rules whose tiers leave in-process out], "warnings":...}.
//
// # Safety
// `rules` is from these calls, `json` points to a variable.
DtqStatus dtq_rules_accounts(const DtqRules *rules,
                             DtqBytes *json);

// Hands what rules still owe to `on_emission` and frees them. Null is fine, and so is once more.
//
// Later calls with them are refused as a bad argument. A call that another thread is in ends as it would have, and may
// still use the functions of the program: where their context ends too, wait for such threads first.
//
// # Safety
// `rules` is null or from these calls.
void dtq_rules_free(DtqRules *rules);

// Frees bytes from these calls, which are null afterwards. Null is fine.
//
// # Safety
// `bytes` is null or points to what one of these calls wrote, with its `data`; its `size` is not asked.
void dtq_bytes_free(DtqBytes *bytes);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* DTQ_H */
