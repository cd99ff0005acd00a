//! `mcp_tether_fuzz::pasted` by libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mcp_tether_fuzz::pasted::run(input));
