//! Which forms get the field, and which never do.

use axum::body::Body;
use http::{Method, Response, header};
use http_body_util::BodyExt;
use palisade_gate::forms::{Page, rewrite};

pub(crate) const FIELD: &str = r#"<input type="hidden" name="csrf_token" value="T0KEN">"#;
pub(crate) const META: &str = r#"<meta name="csrf-token" content="T0KEN">"#;

pub(crate) fn page() -> Page {
    Page {
        method: Method::GET,
        path: "/notes/new?draft=1".into(),
        origins: vec!["https://app.example".into(), "https://www.app.example".into()],
        field: "csrf_token".into(),
        token: "T0KEN".into(),
    }
}

pub(crate) async fn bytes_of(response: Response<Body>) -> Vec<u8> {
    response.into_body().collect().await.unwrap().to_bytes().to_vec()
}

pub(crate) async fn rewritten_bytes(content_type: &str, html: &[u8]) -> Vec<u8> {
    let response = Response::builder()
        .header(header::CONTENT_TYPE, content_type)
        .body(Body::from(html.to_vec()))
        .unwrap();
    bytes_of(rewrite(response, &page())).await
}

async fn rewritten(html: &str) -> String {
    String::from_utf8(rewritten_bytes("text/html; charset=utf-8", html.as_bytes()).await).unwrap()
}

// proves: CSRF-3
#[tokio::test]
async fn a_form_that_posts_here_gets_the_field_first() {
    for form in [
        r#"<form method="post">"#,
        "<FORM METHOD=POST ACTION=/save>",
        "<form\nmethod='PoSt' action='save?x=1&amp;y=2'>",
        r#"<form method=post action="https://app.example/save" enctype="multipart/form-data">"#,
        r#"<form method=post action="//app.example/save">"#,
        r#"<form method=post action="/a" action="//evil.example">"#,
    ] {
        let html = format!("<!doctype html><p>a<b>{form}<p>Text & more<input name=a></form><p>z");
        assert_eq!(rewritten(&html).await, html.replace(form, &format!("{form}{FIELD}")), "{form}");
    }
}

// proves: CSRF-3
#[tokio::test]
async fn everything_but_the_field_and_the_meta_tag_stays_byte_for_byte() {
    let html = "<!DOCTYPE html>\r\n<html lang=de><head><title>a</title></head>\n<body class = 'x'\tid=\"y\" >\
                <table><form method=post action=/t><tr><td>1</table></form><svg><path d=\"M0\"/></svg>\
                &nbsp;\u{fc}\0<p/><br/><!-- c --><![CDATA[x]]><?php x ?></body></html>\n";
    let expected = html
        .replace("</head>", &format!("{META}</head>"))
        .replace("action=/t>", &format!("action=/t>{FIELD}"));
    assert_eq!(rewritten(html).await, expected);
}

// proves: CSRF-1
#[tokio::test]
async fn no_form_that_leads_elsewhere_ever_gets_the_token() {
    for form in [
        "<form method=post action=https://evil.example/>",
        "<form method=post action=//evil.example>",
        r"<form method=post action=\\evil.example>",
        "<form method=post action=\"/\t/evil.example\">",
        "<form method=post action=\"/\n/evil.example\">",
        "<form method=post action='&#x2f;&#47;evil.example'>",
        "<form method=post action='&sol;/evil.example'>",
        "<form method=post action='https&colon;//evil.example'>",
        "<form method=post action='https://app.example@evil.example'>",
        "<form method=post action='https://app.example&#46;evil.example'>",
        "<form method=post action='http://app.example/'>",
        "<form method=post action=' javascript:alert(1)'>",
        "<form method=post action='//evil.example' action='/save'>",
        "<form action=/search>",
        "<form method=get action=/search>",
        "<form method=' post' action=/search>",
        "<form method=dialog>",
    ] {
        let html = format!("<body>{form}<input name=a></form>");
        assert_eq!(rewritten(&html).await, html, "{form}");
    }
}

// proves: CSRF-1
#[tokio::test]
async fn a_form_inside_a_foreign_form_belongs_to_it_and_gets_nothing() {
    for opening in [
        "<form method=post action=//evil.example>",
        "<form action=https://evil.example>",
        "<div><form method=post action=//evil.example></div>",
        "<form method=post action=//evil.example><template><form></form></template>",
        "<form method=post action=//evil.example><svg><form></form></svg>",
    ] {
        let html = format!("{opening}<p><form method=post action=/save><input name=a></form>");
        assert!(!rewritten(&html).await.contains("T0KEN"), "{opening}");
        let after = format!("{html}<form method=post action=/next></form>");
        assert_eq!(rewritten(&after).await.matches("T0KEN").count(), 1, "{opening}");
    }
}

// proves: CSRF-1
#[tokio::test]
async fn a_base_that_leads_elsewhere_never_takes_the_token_along() {
    let before = r#"<base href="https://evil.example/"><form method=post action=save></form>"#;
    assert_eq!(rewritten(before).await, before);
    let encoded = r#"<base href="&#47;/evil.example/"><form method=post action=/save></form>"#;
    assert_eq!(rewritten(encoded).await, encoded);
    let second = r#"<base href="/app/"><base href=//evil.example><form method=post action=save></form>"#;
    assert_eq!(rewritten(second).await, second);
    let absolute = r#"<base href="//cdn.example/"><form method=post action="https://app.example/save">"#;
    assert_eq!(rewritten(absolute).await, format!("{absolute}{FIELD}"));

    // Actions are resolved when the form is sent, so a late base counts too.
    let late = "<form method=post action=save></form><base href=https://evil.example/ target=_top>";
    let out = rewritten(late).await;
    assert!(out.contains(FIELD) && !out.contains("evil.example") && out.contains("target"), "{out}");

    let own = r#"<base href="/app/"><form method=post action=save>"#;
    assert_eq!(rewritten(own).await, format!("{own}{FIELD}"));
}

// proves: CSRF-1
#[tokio::test]
async fn a_button_that_would_send_the_field_elsewhere_is_switched_off() {
    for button in [
        "<button formaction=//evil.example>",
        "<button type=submit formaction='https://evil.example/x' formmethod=post>",
        "<input type=submit formaction='&sol;/evil.example'>",
        "<input type=image formaction='\\\\evil.example' src=x>",
    ] {
        let out = rewritten(&format!("<form method=post action=/save>{button}</form>")).await;
        assert!(out.contains(" disabled"), "{out}");
        let out = rewritten(&format!("{}<form id=f method=post>", button.replacen(' ', " form=f ", 1))).await;
        assert!(out.contains(" disabled"), "{out}");
    }
    for fine in [
        "<form method=post><button formaction=/other>",
        "<form method=post><button>",
        "<form action=//evil.example><button formaction=//evil.example>",
        "<button formaction=//evil.example>",
    ] {
        assert!(!rewritten(fine).await.contains("disabled"), "{fine}");
    }
}

// Each of these sent the field elsewhere in a browser before it was guarded against.
// proves: CSRF-1
#[tokio::test]
async fn forms_that_are_not_nested_properly_give_nothing_away() {
    for switched_off in [
        "<form method=post action=/ok><form method=post action=//evil.example><button formaction=//evil.example>",
        "<form method=post action=/ok><i></form><input type=image formaction=//evil.example>",
        "<form method=post action=/ok><div><form action=/search><button formaction=//evil.example>",
    ] {
        let out = rewritten(switched_off).await;
        assert!(out.contains("T0KEN") && out.contains(" disabled"), "{out}");
    }
    for without in [
        "<form action=/search><button formaction=//evil.example><form method=post>",
        "<form action=/search><base href=//evil.example><form method=post>",
        "<form action=/search><base href=//evil.example><form method=post action=https://app.example/x>",
    ] {
        assert_eq!(rewritten(without).await, without);
    }
    // An honest search box keeps its second button, before and after other forms.
    let search = "<form action=/search><button formaction=https://search.example/></form>";
    let page = format!("{search}<form method=post></form>{search}");
    assert_eq!(rewritten(&page).await, page.replace("method=post>", &format!("method=post>{FIELD}")));
}

// proves: CSRF-3
#[tokio::test]
async fn what_only_looks_like_a_form_is_left_alone() {
    for html in [
        "<!-- <form method=post> -->",
        "<!--><form-not method=post>",
        "<script>document.write('<form method=post>')</script>",
        "<script><!--<script><form method=post></script>--></script>",
        "<style><form method=post></style>",
        "<textarea><form method=post></textarea>",
        "<title><form method=post></title>",
        "<xmp><form method=post></xmp>",
        "<iframe><form method=post></iframe>",
        "<noscript><form method=post></noscript>",
        "<plaintext><form method=post>",
        "<p title='<form method=post>'>",
        "<svg><form method=post></form></svg>",
        "<svg><![CDATA[<form method=post>]]></svg>",
        "<math><form method=post></form></math>",
        "</form method=post>",
        "<formula method=post>",
        "< form method=post>",
        "<form method=post",
        "<form method=\"post>",
        "&lt;form method=post&gt;",
    ] {
        assert_eq!(rewritten(html).await, html);
    }
}

// proves: CSRF-3
#[tokio::test]
async fn odd_markup_that_a_browser_reads_as_a_form_gets_the_field() {
    for (html, fields) in [
        ("<template><form method=post action=/a></form></template>", 1),
        ("<svg><foreignObject><form method=post></form></foreignObject></svg>", 1),
        ("<table><tr><form method=post><td></td></form></tr></table>", 1),
        ("<form method=post>one</form><form method=post>two</form>", 2),
        ("<form action=/search><input></form><form method=post>", 1),
        ("<textarea></textarea><form method=post>", 1),
        ("<form/method=post>", 1),
        ("<form method=post/>", 0),
        ("<form method=post data-x='>' action=/a>", 1),
        ("<p></p><<form method=post>", 1),
        ("<div><form method=post></div></form><form method=post>", 2),
    ] {
        assert_eq!(rewritten(html).await.matches(FIELD).count(), fields, "{html}");
    }
}

// proves: CSRF-2
#[tokio::test]
async fn the_meta_tag_stands_at_the_end_of_the_head_unless_the_application_has_its_own() {
    let plain = "<html><head><meta charset=utf-8><title>x</title></head><body>";
    assert_eq!(rewritten(plain).await, plain.replace("</head>", &format!("{META}</head>")));
    let own = r#"<head><meta name="CSRF-Token" content="theirs"></head>"#;
    assert_eq!(rewritten(own).await, own);
    let none = "<body><header>x</header>";
    assert_eq!(rewritten(none).await, none);
}

// proves: CSRF-3
#[tokio::test]
async fn names_and_tokens_cannot_break_out_of_the_field() {
    let mut page = page();
    page.field = r#"x"><script>"#.into();
    let response = Response::builder()
        .header(header::CONTENT_TYPE, "text/html")
        .body(Body::from("<form method=post>"))
        .unwrap();
    let out = String::from_utf8(bytes_of(rewrite(response, &page)).await).unwrap();
    assert!(!out.contains("<script>") && out.contains("&quot;>&lt;script>"), "{out}");
}

// proves: CSRF-3
#[tokio::test]
async fn the_charset_of_the_page_is_honoured() {
    let shift_jis = b"<form method=post action=\"\x83\x5c\x83\x5c\">\x83\x5c</form>";
    let out = rewritten_bytes("text/html; charset=Shift_JIS", shift_jis).await;
    assert_eq!(out.len(), shift_jis.len() + FIELD.len());
    let latin = b"<meta charset=windows-1252><form method=post action=\"/\xe4\">\xfc\xdf\x80</form>";
    let out = rewritten_bytes("text/html", latin).await;
    assert_eq!(out.len(), latin.len() + FIELD.len());
    assert!(out.ends_with(b"\xfc\xdf\x80</form>"));
    // Nothing is found in what is not a superset of ASCII, and nothing is broken.
    let utf16: Vec<u8> = "\u{feff}<form method=post>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for content_type in ["text/html", "text/html; charset=utf-16", "text/html; charset=utf-16le"] {
        assert_eq!(rewritten_bytes(content_type, &utf16).await, utf16, "{content_type}");
    }
    let marked = b"\xff\xfe<form method=post>";
    assert_eq!(rewritten_bytes("text/html; charset=utf-8", marked).await, marked);
    for (content_type, html) in [
        ("text/html; charset=\"ISO-2022-JP\"", "<form method=post>"),
        ("text/html", "<meta charset=iso-2022-jp><form method=post>"),
        (
            "text/html",
            "<meta http-equiv=content-type content='text/html; charset=iso-2022-jp'><form method=post>",
        ),
    ] {
        assert_eq!(rewritten_bytes(content_type, html.as_bytes()).await, html.as_bytes());
    }
    let unknown = rewritten_bytes("text/html; charset=none-such", b"<form method=post>").await;
    assert!(unknown.ends_with(FIELD.as_bytes()));
}
