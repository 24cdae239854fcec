//! Every command that the README shows prints what the README says.

mod common;

#[test]
fn the_tour_of_the_readme_is_what_happens() {
    let path = common::root().join("README.md");
    // That the README is there is checked by dtq-tidy, with every other link.
    if path.exists() {
        common::transcript::check(&path);
    }
}
