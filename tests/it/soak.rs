//! The soak (`cargo bench --bench soak`), for a few seconds.

#[allow(dead_code, reason = "a program of its own")]
#[path = "../../benches/soak/main.rs"]
mod program;

#[test]
fn a_short_one() {
    let fine = program::short();
    assert!(fine.expect("it runs"), "its report says what is wrong");
}
