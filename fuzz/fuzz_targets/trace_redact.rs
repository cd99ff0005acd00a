//! `mcp_tether_fuzz::trace_redact` by libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mcp_tether_fuzz::trace_redact::run(input));
