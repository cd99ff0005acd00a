//! `mcp_tether_fuzz::config_file` by libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mcp_tether_fuzz::config_file::run(input));
