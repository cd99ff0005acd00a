//! `mcp_tether_fuzz::addresses` by libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mcp_tether_fuzz::addresses::run(input));
