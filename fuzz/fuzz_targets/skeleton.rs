//! `mcp_tether_fuzz::skeleton` by libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mcp_tether_fuzz::skeleton::run(input));
