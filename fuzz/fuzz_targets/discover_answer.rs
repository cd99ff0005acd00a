//! `mcp_tether_fuzz::discover_answer` by libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mcp_tether_fuzz::discover_answer::run(input));
