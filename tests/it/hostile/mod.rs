//! Odd and hostile HTTP/1.1 messages, each of which somebody reads in another way: the corpus beside this file, through
//! the proxy, read on the other side by a strict parser of the tests' own.

mod corpus;
mod peers;
mod requests;
mod responses;
mod strict;
