//! A connection without a socket.
