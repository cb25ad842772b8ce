//! A minimum of HTTP/1.1 for reading: a request without body, one answer, and the connection is
//! closed. An answer is a document, or a stream that lasts.
//!
//! One thread serves all clients, a bounded number of them, and a document takes a bounded time. So
//! clients that hang keep no other out, and nothing else waits for them.
//!
//! In order, each using only those before it: `answer`, `connection` (one client), `server`.

mod answer;
mod connection;
mod server;

pub use answer::{Answer, Body, Content, Request, Service};
pub use server::{BindError, bind, serve};
