//! `mcp_tether_fuzz::enterprise_file` by libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mcp_tether_fuzz::enterprise_file::run(input));
