//! Certificates, made by openssl.

use crate::harness::has;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A certificate authority of a test's own, in a directory of its own.
pub(crate) struct Authority {
    directory: TempDir,
}

/// A certificate and its key.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

const NEW_KEY: [&str; 5] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

impl Authority {
    /// A new one; `None` without openssl, which is said.
    #[track_caller]
    pub(crate) fn new() -> Option<Self> {
        if !has(&["openssl"]) {
            return None;
        }
        let authority = Self { directory: tempfile::tempdir().expect("a directory can be made") };
        let constraints = "basicConstraints=critical,CA:TRUE";
        let mut all = vec!["req", "-x509", "-keyout", "ca.key", "-out", "ca.crt", "-days", "30"];
        all.extend(NEW_KEY);
        all.extend(["-subj", "/CN=a test's authority", "-addext", constraints]);
        authority.openssl(&all);
        Some(authority)
    }

    /// The authority's own certificate.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.directory.path().join("ca.crt")
    }

    /// Where its files are.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A certificate called `name`, for these alternative names (`DNS:a.test,IP:127.0.0.1`), good for ten days.
    pub(crate) fn issue(&self, name: &str, names: &str) -> Files {
        self.issue_for(name, names, 10)
    }

    /// The same, good for so many days; -1 is over.
    pub(crate) fn issue_for(&self, name: &str, names: &str, days: i32) -> Files {
        let file = |end: &str| format!("{name}.{end}");
        let (subject, days) = (format!("/CN={name}"), days.to_string());
        let (key, request, extensions, certificate) = (file("key"), file("csr"), file("ext"), file("crt"));
        let mut all = vec!["req", "-keyout", &key, "-out", &request, "-subj", &subject];
        all.extend(NEW_KEY);
        self.openssl(&all);
        let text = format!("subjectAltName={names}\n");
        std::fs::write(self.directory.path().join(&extensions), text).expect("the directory can be written");
        self.openssl(&[
            "x509",
            "-req",
            "-in",
            &request,
            "-CA",
            "ca.crt",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            &days,
            "-extfile",
            &extensions,
            "-out",
            &certificate,
        ]);
        let path = |file: &str| self.directory.path().join(file);
        Files { certificate: path(&certificate), key: path(&key) }
    }

    fn openssl(&self, arguments: &[&str]) {
        let output = Command::new("openssl").args(arguments).current_dir(self.directory.path()).output();
        let output = output.expect("openssl is there");
        assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Files {
    /// As the config has them.
    pub(crate) fn yaml(&self) -> String {
        format!("certificateFile: \"{}\", keyFile: \"{}\"", self.certificate.display(), self.key.display())
    }
}
