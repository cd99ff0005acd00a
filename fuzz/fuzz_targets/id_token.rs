//! `mcp_tether_fuzz::id_token` by libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mcp_tether_fuzz::id_token::run(input));
