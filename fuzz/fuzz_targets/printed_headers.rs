//! `mcp_tether_fuzz::printed_headers` by libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mcp_tether_fuzz::printed_headers::run(input));
