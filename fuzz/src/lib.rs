//! What is checked of each parser of foreign bytes, whatever the bytes: one module for each target, and in it `run`.
//!
//! They are run by libFuzzer (`fuzz_targets`, by way of `fuzz/run`), and without it by `tests/it/fuzzing.rs`, which
//! takes this file in as it is: with the inputs of `corpus`, and with changed ones.

pub mod adapters;
pub mod addresses;
pub mod callback_request;
pub mod challenge;
pub mod client_config;
pub mod client_edit;
pub mod config_file;
pub mod discover_answer;
pub mod enterprise_file;
pub mod foreign_store;
pub mod id_token;
pub mod jsonrpc_message;
pub mod line_framing;
pub mod metadata;
pub mod pasted;
pub mod printed_headers;
pub mod skeleton;
pub mod splice;
pub mod sse_decoder;
pub mod token_answer;
pub mod tool_headers;
pub mod trace_reader;
pub mod trace_redact;

/// A target by its name.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 23] = [
    ("adapters", adapters::run),
    ("addresses", addresses::run),
    ("callback_request", callback_request::run),
    ("challenge", challenge::run),
    ("client_config", client_config::run),
    ("client_edit", client_edit::run),
    ("config_file", config_file::run),
    ("discover_answer", discover_answer::run),
    ("enterprise_file", enterprise_file::run),
    ("foreign_store", foreign_store::run),
    ("id_token", id_token::run),
    ("jsonrpc_message", jsonrpc_message::run),
    ("line_framing", line_framing::run),
    ("metadata", metadata::run),
    ("pasted", pasted::run),
    ("printed_headers", printed_headers::run),
    ("skeleton", skeleton::run),
    ("splice", splice::run),
    ("sse_decoder", sse_decoder::run),
    ("token_answer", token_answer::run),
    ("tool_headers", tool_headers::run),
    ("trace_reader", trace_reader::run),
    ("trace_redact", trace_redact::run),
];
