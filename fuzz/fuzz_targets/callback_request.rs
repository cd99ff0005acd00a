//! `mcp_tether_fuzz::callback_request` by libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mcp_tether_fuzz::callback_request::run(input));
