//! `mcp_tether_fuzz::client_edit` by libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mcp_tether_fuzz::client_edit::run(input));
