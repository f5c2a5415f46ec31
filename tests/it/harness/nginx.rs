//! nginx, the server that people have, as a backend.

use super::programs::program;
use super::{eventually, free_address};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// A running nginx.
pub(crate) struct Nginx {
    child: Child,
    pub(crate) address: SocketAddr,
    _directory: TempDir,
}

impl Nginx {
    /// With these settings, and one server that listens with these options (`http2`, `proxy_protocol`) and does what
    /// `server` says; `None` without nginx, which is said.
    #[track_caller]
    pub(crate) fn start(settings: &str, listen: &str, server: &str) -> Option<Self> {
        let program = program("nginx")?;
        let (directory, address) = (tempfile::tempdir().expect("a directory can be made"), free_address());
        let root = directory.path().to_str().expect("a plain path");
        // One process, and every file that it writes in the directory.
        let paths: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {root}/{name};\n"))
            .concat();
        let config = format!(
            "daemon off; master_process off; pid {root}/pid;\nevents {{}}\nhttp {{\naccess_log off;\n{paths}{settings}\n\
             client_max_body_size 0;\nserver {{ listen {address} {listen};\n{server}\n}} }}\n"
        );
        let file = directory.path().join("nginx.conf");
        std::fs::write(&file, config).expect("the directory can be written");
        let mut command = Command::new(program);
        command.arg("-p").arg(directory.path()).arg("-c").arg(&file).arg("-e").arg("stderr");
        let child = command.stderr(Stdio::null()).spawn().expect("it is installed");
        let nginx = Self { child, address, _directory: directory };
        eventually("nginx accepts", || TcpStream::connect(address).is_ok());
        Some(nginx)
    }

    /// The same where everything is passed on to a server behind it.
    #[track_caller]
    pub(crate) fn before(behind: SocketAddr, settings: &str, listen: &str) -> Option<Self> {
        Self::start(settings, listen, &format!("location / {{ proxy_pass http://{behind}; }}"))
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
