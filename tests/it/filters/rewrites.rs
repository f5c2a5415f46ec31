//! `URLRewrite`.

use super::filtering;

#[test]
fn the_prefix_is_replaced_and_the_query_stays() {
    let filter = "{ type: URLRewrite, urlRewrite: { path: { type: ReplacePrefixMatch, replacePrefixMatch: /v2/ } } }";
    let (mut serin, backend) = filtering(filter);
    let mut client = serin.client();
    for (asked, expected) in [
        ("/shop/items?page=/shop", "/v2/items?page=/shop"),
        ("/shop", "/v2"),
        ("/shop/", "/v2/"),
        ("/shop?x", "/v2?x"),
        ("http://other/shop/a", "/v2/a"),
    ] {
        assert_eq!(client.get(asked).status, 200);
        assert_eq!(backend.requests().pop().unwrap().target(), expected, "{asked}");
    }
    assert_eq!(client.get("/shopping").status, 404, "not below the prefix");
}

#[test]
fn host_and_path_are_replaced_whole_and_the_clients_host_is_told() {
    let filter = "{ type: URLRewrite, urlRewrite: { hostname: Inner.example, path: { type: ReplaceFullPath, replaceFullPath: /x } } }";
    let (mut serin, backend) = filtering(filter);
    let mut client = serin.client();
    client.send("GET /shop/a/b?c HTTP/1.1\r\nHost: shop.example:8080\r\n\r\n");
    assert_eq!(client.response().status, 200);
    let request = backend.only_request();
    assert_eq!((request.target(), request.head.one("host")), ("/x?c", Some("inner.example")));
    assert_eq!(request.head.one("x-forwarded-host"), Some("shop.example:8080"));
}
