//! `mcp_tether_fuzz::line_framing` by libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mcp_tether_fuzz::line_framing::run(input));
