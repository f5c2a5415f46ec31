//! Addresses as anybody may see them.

/// The host alone: what follows in a webhook's address is often the secret that lets one post there.
pub fn host_alone(url: &str) -> String {
    let uri = url.parse::<http::Uri>().ok();
    let parts = uri.as_ref().and_then(|uri| Some((uri.scheme_str()?, uri.host()?)));
    parts.map_or_else(|| "…".into(), |(scheme, host)| format!("{scheme}://{host}/…"))
}

/// All of it but a name and a password before the host.
pub fn without_user(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return "…".into() };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhooks_secret_is_not_shown() {
        for (url, shown) in [
            ("https://hooks.example/services/T0/B0/secret", "https://hooks.example/…"),
            ("http://user:secret@hooks.example:8080?token=secret", "http://hooks.example/…"),
            ("not a url secret", "…"),
        ] {
            assert_eq!(host_alone(url), shown);
        }
    }

    #[test]
    fn a_servers_password_is_not_shown_and_its_address_is() {
        for (url, shown) in [
            ("http://prometheus:9090", "http://prometheus:9090"),
            ("https://user:secret@prometheus/base/a@b", "https://prometheus/base/a@b"),
            ("http://user:s@cret@[::1]:9090", "http://[::1]:9090"),
            ("not a url secret", "…"),
        ] {
            assert_eq!(without_user(url), shown);
        }
    }
}
