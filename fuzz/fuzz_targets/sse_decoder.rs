//! `mcp_tether_fuzz::sse_decoder` by libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mcp_tether_fuzz::sse_decoder::run(input));
