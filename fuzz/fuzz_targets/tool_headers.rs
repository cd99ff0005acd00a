//! `mcp_tether_fuzz::tool_headers` by libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mcp_tether_fuzz::tool_headers::run(input));
