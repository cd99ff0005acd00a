//! `mcp_tether_fuzz::challenge` by libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mcp_tether_fuzz::challenge::run(input));
