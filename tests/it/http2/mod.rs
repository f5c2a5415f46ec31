//! HTTP/2 on listeners, with clients that people use and with frames written by hand.

mod blocked;
mod conformance;
mod floods;
mod flow;
mod nginx;
mod peers;
mod streams;
mod websocket;
