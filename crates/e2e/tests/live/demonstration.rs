//! The demonstration, played as a test.

use dtq_e2e::demo;
use dtq_e2e::setup::{Part, or_skip};

#[test]
fn the_demonstration_shows_what_it_says() {
    let test = "the_demonstration_shows_what_it_says";
    // With the Collector as backend where it is set up; the demonstration alone would build it.
    for part in [Part::Python, Part::JavaScript, Part::Collector] {
        if or_skip(test, part).is_none() {
            return;
        }
    }
    let mut shown = String::new();
    let played = demo::run(&mut |text| {
        shown += text;
        shown += "\n";
        true
    });
    assert_eq!(played, Ok(()), "{shown}");
}
