//! Gives the linker the order of the functions: those that an idle process runs lie together, so that what it never runs
//! is not mapped along with them. The order is a matter of memory alone; without it everything works the same.

use std::env;
use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=link/order.ld");
    println!("cargo:rerun-if-env-changed=RUSTC_LINKER");
    let value = |name| env::var(name).unwrap_or_default();
    // Where it was measured; GNU's linker and LLVM's understand it, and somebody's own may not.
    let measured = value("TARGET") == "x86_64-unknown-linux-gnu" && value("PROFILE") == "release";
    let flags = value("CARGO_ENCODED_RUSTFLAGS");
    let own_linker = env::var_os("RUSTC_LINKER").is_some() || flags.contains("linker") || flags.contains("fuse-ld");
    let order = Path::new(&value("CARGO_MANIFEST_DIR")).join("link/order.ld");
    if measured && !own_linker && order.exists() {
        println!("cargo:rustc-link-arg-bins=-T{}", order.display());
    }
}
