//! `mcp_tether_fuzz::foreign_store` by libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mcp_tether_fuzz::foreign_store::run(input));
