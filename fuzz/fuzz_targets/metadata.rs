//! `mcp_tether_fuzz::metadata` by libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mcp_tether_fuzz::metadata::run(input));
