//! Waiting for descriptors. What being asked to end does is tested with the commands, whose main thread is asked
//! (`crates/cli/tests/live`); that of tests is the harness's.

use dtq_kernel::host::any_readable;
use std::io::Read;
use std::os::fd::AsFd;
use std::time::Duration;

#[test]
fn waiting_ends_with_its_time() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    assert!(!any_readable(&[reader.as_fd()], Duration::from_millis(1)).unwrap()[0]);
    drop(writer);
    assert!(any_readable(&[reader.as_fd()], Duration::from_secs(1)).unwrap()[0]);
    assert_eq!(reader.read(&mut [0]).unwrap(), 0);
}
