//! The whole server over real loopback sockets, with a client that hides nothing.

mod asking;
mod client;
mod contents;
mod faults;
mod http;
mod lifecycle;
mod running;
mod streams;
