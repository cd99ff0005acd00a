//! `mcp_tether_fuzz::trace_reader` by libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mcp_tether_fuzz::trace_reader::run(input));
