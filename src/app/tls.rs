//! The certificates in force, and how files that change replace them.
//!
//! A file that is bad never takes away what works: whoever has a certificate keeps it, and the rest of a reload goes
//! on. Only what never worked, or is configured anew, is refused.
//!
//! The files are read once a second and compared, and not watched: their directories may be replaced under them, a link
//! may lead anywhere, and certificate and key are often written one after the other. A change is taken up when two looks
//! in a row have found the same. The looks have a thread, so that a slow disk delays no verdict.

use crate::net::tls::{
    Connector, FileError, HTTP1, HTTP2, Identity, Role, ServerConfig, Tickets, certificate_authorities, fingerprint,
    server_config, system_roots, tickets,
};
use crate::plan::{BackendTls, CertificateFiles, Plan, ServerTls};
use crate::stats::export::CertificateFacts;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, TryRecvError};
use std::time::{Duration, Instant, SystemTime};

/// How often the files are read.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Who uses a certificate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum User {
    Listener(Arc<str>),
    Admin,
    Backend(Arc<str>),
}

/// Why TLS cannot be had as the plan says.
#[derive(Debug, thiserror::Error)]
#[error("{user}: {flaw}")]
pub struct TlsError {
    user: User,
    flaw: Unusable,
}

#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("TLS cannot be had: {0}")]
    Library(#[from] rustls::Error),
}

/// What is in force.
#[derive(Default)]
pub(super) struct TlsFiles {
    servers: BTreeMap<User, Held<ServerTls, Server>>,
    backends: BTreeMap<User, Held<BackendTls, Arc<Connector>>>,
    /// What is wrong with the files as they are now, where the ones before are still in force.
    problems: Vec<String>,
    /// The content of all files when they were taken up, or found to be bad.
    seen: u64,
    /// Another content, that the last look has found.
    found: Option<u64>,
    next_look: Option<Instant>,
    /// The look that is under way.
    look: Option<mpsc::Receiver<u64>>,
}

/// What was made of files, as long as they are the same.
#[derive(Clone)]
struct Held<P, T> {
    plan: P,
    content: u64,
    expiries: Vec<(Arc<str>, SystemTime)>,
    made: T,
}

#[derive(Clone)]
struct Server {
    config: Arc<ServerConfig>,
    tickets: Arc<dyn Tickets>,
    /// The content of the authorities of clients: tickets hold whom they were given to, so others need other tickets.
    clients: u64,
}

impl TlsFiles {
    /// Reads what `plan` needs. Nothing is in force yet.
    pub(super) fn prepare(&self, plan: &Plan) -> Result<Self, TlsError> {
        let mut next = Self { seen: content_of(plan), next_look: self.next_look, ..Self::default() };
        let now = SystemTime::now();
        let admin = plan.admin.tls.iter().map(|tls| (User::Admin, tls));
        let listeners =
            plan.listeners.iter().filter_map(|l| Some((User::Listener(Arc::clone(&l.name)), l.tls.as_ref()?)));
        for (user, tls) in listeners.chain(admin) {
            let before = self.servers.get(&user).filter(|held| held.plan == *tls);
            let content = fingerprint(tls.paths());
            // The admin server speaks HTTP/1.1 alone.
            let protocols: &[&[u8]] = if user == User::Admin { &[HTTP1] } else { &[HTTP2, HTTP1] };
            let made =
                next.keep_or_make(&user, before, content, || Held::server(tls, content, before, now, protocols))?;
            next.servers.insert(user, made);
        }
        for backend in &plan.backends {
            let Some(tls) = &backend.tls else { continue };
            let user = User::Backend(Arc::clone(&backend.name));
            let before = self.backends.get(&user).filter(|held| held.plan == *tls);
            let content = fingerprint(tls.paths());
            let made = next.keep_or_make(&user, before, content, || Held::backend(tls, content, now))?;
            next.backends.insert(user, made);
        }
        Ok(next)
    }

    /// What is there already if its files are as they were, or have become bad; else what is made of them.
    fn keep_or_make<P: Clone, T: Clone>(
        &mut self,
        user: &User,
        before: Option<&Held<P, T>>,
        content: u64,
        build: impl FnOnce() -> Result<Held<P, T>, Unusable>,
    ) -> Result<Held<P, T>, TlsError> {
        if let Some(same) = before.filter(|held| held.content == content) {
            return Ok(same.clone());
        }
        match (build(), before) {
            (Ok(made), _) => Ok(made),
            (Err(flaw), None) => Err(TlsError { user: user.clone(), flaw }),
            (Err(flaw), Some(good)) => {
                self.problems.push(format!("{user}: {flaw}; the certificate before stays in force"));
                Ok(good.clone())
            }
        }
    }

    /// Whether the files of `plan`, which is in force, have changed, and have come to rest. Waits for nothing: once in
    /// [`LOOK_EVERY`] a thread reads them, and a later call has the answer.
    pub(super) fn have_changed(&mut self, plan: &Arc<Plan>) -> bool {
        let Some(look) = &mut self.look else {
            self.begin_to_look(plan);
            return false;
        };
        let content = match look.try_recv() {
            Err(TryRecvError::Empty) => return false,
            Err(TryRecvError::Disconnected) => None,
            Ok(content) => Some(content),
        };
        self.look = None;
        let found = content.filter(|content| *content != self.seen);
        let at_rest = found.is_some() && found == self.found;
        self.found = found;
        at_rest
    }

    fn begin_to_look(&mut self, plan: &Arc<Plan>) {
        let now = Instant::now();
        let is_due = self.next_look.is_none_or(|next| next <= now);
        if !is_due || (self.servers.is_empty() && self.backends.is_empty()) {
            return;
        }
        self.next_look = Some(now + LOOK_EVERY);
        let (answer, look) = mpsc::sync_channel(1);
        let plan = Arc::clone(plan);
        let thread = std::thread::Builder::new().name("certificates".into()).spawn(move || {
            // Nobody wants to know any more when another plan is in force by now.
            let _ = answer.send(content_of(&plan));
        });
        // Without a thread to be had, there may be one for the next look.
        self.look = thread.is_ok().then_some(look);
    }

    /// What a listener says in handshakes; `None`: it is in clear.
    pub(super) fn listener(&self, name: &Arc<str>) -> Option<Arc<ServerConfig>> {
        self.server(&User::Listener(Arc::clone(name)))
    }

    /// The same of the admin listener.
    pub(super) fn admin(&self) -> Option<Arc<ServerConfig>> {
        self.server(&User::Admin)
    }

    fn server(&self, user: &User) -> Option<Arc<ServerConfig>> {
        self.servers.get(user).map(|held| Arc::clone(&held.made.config))
    }

    /// How connections to a backend begin; `None`: in clear.
    pub(super) fn backend(&self, name: &Arc<str>) -> Option<Arc<Connector>> {
        self.backends.get(&User::Backend(Arc::clone(name))).map(|held| Arc::clone(&held.made))
    }

    /// What is wrong with the files as they are now.
    pub(super) fn problems(&self) -> &[String] {
        &self.problems
    }

    /// The same in one text; `None` when nothing is.
    pub(super) fn problem(&self) -> Option<String> {
        (!self.problems.is_empty()).then(|| self.problems.join("\n"))
    }

    /// How long each certificate is good for.
    pub(super) fn facts(&self) -> Vec<CertificateFacts> {
        let servers = self.servers.iter().map(|(user, held)| (user, &held.expiries));
        let backends = self.backends.iter().map(|(user, held)| (user, &held.expiries));
        let each = servers.chain(backends).flat_map(|(user, expiries)| expiries.iter().map(move |each| (user, each)));
        let facts = each.map(|(user, (file, not_after))| {
            let nobody = || Arc::from("");
            let (listener, backend) = match user {
                User::Listener(name) => (Arc::clone(name), nobody()),
                User::Admin => (Arc::from("admin"), nobody()),
                User::Backend(name) => (nobody(), Arc::clone(name)),
            };
            let not_after = not_after.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
            CertificateFacts { listener, backend, file: Arc::clone(file), not_after }
        });
        facts.collect()
    }
}

impl Held<ServerTls, Server> {
    fn server(
        tls: &ServerTls,
        content: u64,
        before: Option<&Self>,
        now: SystemTime,
        protocols: &[&[u8]],
    ) -> Result<Self, Unusable> {
        let identities: Vec<_> = tls.certificates.iter().map(|files| load(files, now)).collect::<Result<_, _>>()?;
        let authorities = tls.client_ca.as_deref();
        let clients = fingerprint(authorities);
        let authorities = authorities.map(|path| certificate_authorities(path, Role::ClientCa)).transpose()?;
        let tickets = match before {
            Some(before) if before.made.clients == clients => Arc::clone(&before.made.tickets),
            _ => tickets()?,
        };
        let expiries = tls.certificates.iter().zip(&identities).map(|(files, identity)| expiry(files, identity));
        let expiries = expiries.collect();
        let config = server_config(identities, authorities, Arc::clone(&tickets), protocols)?;
        Ok(Self { plan: tls.clone(), content, expiries, made: Server { config, tickets, clients } })
    }
}

impl Held<BackendTls, Arc<Connector>> {
    fn backend(tls: &BackendTls, content: u64, now: SystemTime) -> Result<Self, Unusable> {
        let identity = tls.certificate.as_ref().map(|files| load(files, now)).transpose()?;
        let roots = match &tls.ca {
            Some(path) => Arc::new(certificate_authorities(path, Role::Ca)?),
            None => system_roots(),
        };
        let expiries = tls.certificate.iter().zip(&identity).map(|(files, identity)| expiry(files, identity)).collect();
        let connector = Connector::new(roots, identity.as_ref(), tls.server_name.clone())?;
        Ok(Self { plan: tls.clone(), content, expiries, made: Arc::new(connector) })
    }
}

fn load(files: &CertificateFiles, now: SystemTime) -> Result<Identity, FileError> {
    Identity::load(&files.certificate, &files.key, now)
}

fn expiry(files: &CertificateFiles, identity: &Identity) -> (Arc<str>, SystemTime) {
    (files.certificate.display().to_string().into(), identity.not_after)
}

/// Tells one content of all files of a plan from another.
fn content_of(plan: &Plan) -> u64 {
    let listeners = plan.listeners.iter().filter_map(|listener| listener.tls.as_ref());
    let servers: Vec<&Path> = listeners.chain(&plan.admin.tls).flat_map(ServerTls::paths).collect();
    let backends = plan.backends.iter().filter_map(|backend| backend.tls.as_ref()).flat_map(BackendTls::paths);
    fingerprint(servers.into_iter().chain(backends))
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listener(name) => write!(f, "listener `{name}`"),
            Self::Admin => f.write_str("the admin listener"),
            Self::Backend(name) => write!(f, "backend `{name}`"),
        }
    }
}
