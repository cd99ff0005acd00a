//! `mcp_tether_fuzz::jsonrpc_message` by libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mcp_tether_fuzz::jsonrpc_message::run(input));
