//! `mcp_tether_fuzz::token_answer` by libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mcp_tether_fuzz::token_answer::run(input));
