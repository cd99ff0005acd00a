//! What the browser shows when it comes back from signing in: one self-contained page, without a
//! script, in the light or dark colours that the person prefers.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use url::Url;

use super::callback::request::Refusal;
use crate::limits::MAX_PAGE_TEXT;
use crate::secret::{neutralise, truncate};

const STYLE: &str = include_str!("page.css");

/// Allows the page its own style and its icon, and nothing else: no script, frame, form or request.
pub static CONTENT_SECURITY_POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; img-src data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'"
    )
});

/// The tab's icon lies in the page, so that the browser asks for none: a disc in the colour of the
/// mood, readable on light and dark tabs.
fn icon(colour: &str, path: &str) -> String {
    let svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24' fill='none' stroke='#fff' \
         stroke-width='2.5' stroke-linecap='round' stroke-linejoin='round'>\
         <circle cx='12' cy='12' r='12' fill='{colour}' stroke='none'/>{path}</svg>"
    );
    format!("data:image/svg+xml;base64,{}", STANDARD.encode(svg))
}

/// One page. Its texts are escaped when it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    mood: Mood,
    heading: &'static str,
    server: Option<String>,
    happened: String,
    next: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Good,
    Waiting,
    Bad,
}

impl Page {
    /// The sign-in to the MCP server on `host` is complete: the token is there.
    pub fn signed_in(host: &str) -> Page {
        Page {
            mood: Mood::Good,
            heading: "You are signed in",
            server: Some(host.to_owned()),
            happened: "Your MCP client can use this server now.".into(),
            next: "You can close this tab.".into(),
        }
    }

    /// The sign-in failed: `happened` says why, `next` what the person can do; both are sentences.
    /// Foreign text in them has been through [`crate::secret::Redactor::clean`]. Text of `next`
    /// between backticks is shown as something to type.
    pub fn failed(host: &str, happened: &str, next: &str) -> Page {
        Page {
            mood: Mood::Bad,
            heading: "Sign-in did not work",
            server: Some(host.to_owned()),
            happened: happened.to_owned(),
            next: next.to_owned(),
        }
    }

    /// For a request that is no answer to the sign-in under way. Names no server: it may be a
    /// stranger's.
    pub fn refused(refusal: Refusal) -> Page {
        let (heading, happened) = match refusal {
            Refusal::State => (
                "This tab is out of date",
                "It belongs to another sign-in, or to one that has already ended.".to_owned(),
            ),
            _ => ("Nothing to see here", format!("This request was refused: {refusal}.")),
        };
        Page {
            mood: Mood::Bad,
            heading,
            server: None,
            happened,
            next: "If you are signing in, go on in the newest tab, or start again from your MCP \
                   client."
                .into(),
        }
    }

    /// The sign-in stopped after the browser came back and before it was complete.
    pub fn interrupted(host: &str) -> Page {
        Page {
            heading: "Sign-in was interrupted",
            ..Page::failed(
                host,
                "mcp-tether stopped before the sign-in was complete.",
                "Start again from your MCP client. You can close this tab.",
            )
        }
    }

    /// The end of the sign-in is not known yet, and the browser has waited long enough.
    pub fn unfinished(host: &str) -> Page {
        Page {
            mood: Mood::Waiting,
            heading: "Almost there",
            server: Some(host.to_owned()),
            happened: "Your part is done. The authorization server takes longer than usual; your \
                       MCP client will tell how it ends."
                .into(),
            next: "You can close this tab.".into(),
        }
    }

    /// The document.
    pub fn html(&self) -> String {
        let (class, colour, path) = match self.mood {
            Mood::Good => ("good", "#14743f", "<path d='m7.5 12.5 3 3 6-7'/>"),
            Mood::Waiting => ("waiting", "#80570a", "<path d='M12 7v5.5l3.5 2'/>"),
            Mood::Bad => ("bad", "#b3261e", "<path d='M12 7v6M12 16.5v.01'/>"),
        };
        let (happened_label, next_label) = match self.mood {
            Mood::Good | Mood::Waiting => ("", ""),
            Mood::Bad => ("<h2>What happened</h2>\n", "<h2>What to do next</h2>\n"),
        };
        let server = self.server.as_deref().map(escape);
        let title = match &server {
            Some(server) => format!("{} – {server}", self.heading),
            None => self.heading.to_owned(),
        };
        let server = server.map_or_else(String::new, |server| {
            format!("<p class=\"server\"><span>Server</span> {server}</p>\n")
        });
        format!(
            r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="icon" href="{icon}">
<style>{STYLE}</style>
</head>
<body class="{class}">
<main>
<svg viewBox="0 0 24 24" aria-hidden="true"><circle cx="12" cy="12" r="10.5"/>{path}</svg>
<h1>{heading}</h1>
{server}{happened_label}<p>{happened}</p>
{next_label}<p>{next}</p>
</main>
<footer>mcp-tether</footer>
</body>
</html>
"#,
            icon = icon(colour, path),
            heading = self.heading,
            happened = escape(&self.happened),
            next = typed(&escape(&self.next)),
        )
    }
}

/// The host of a URL as people know it: with a port that is not the scheme's own.
pub fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Text as HTML text, without what moves or hides its neighbours, and not endless.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in truncate(&neutralise(text), MAX_PAGE_TEXT).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// Text between pairs of backticks as something to type; at the end without a full stop, which
/// might be typed too.
fn typed(html: &str) -> String {
    let mut parts = html.split('`');
    let mut out = parts.next().unwrap_or_default().to_owned();
    while let Some(code) = parts.next() {
        match parts.next() {
            Some(rest) => {
                out.extend(["<code>", code, "</code>", if rest == "." { "" } else { rest }])
            }
            None => out.extend(["`", code]),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_what_is_true() {
        let html = Page::signed_in("mcp.example:8443").html();
        for text in ["<title>You are signed in – mcp.example:8443</title>", "lang=\"en\"", "close"]
        {
            assert!(html.contains(text), "{text}: {html}");
        }
        assert!(!html.contains("What happened"));
        let html =
            Page::failed("h.example", "as.example: access denied", "Run `x y` & wait.").html();
        for text in [
            "did not work",
            "What happened",
            "denied",
            "Run <code>x y</code> &amp; wait.",
            "h.example",
        ] {
            assert!(html.contains(text), "{text}: {html}");
        }
    }

    #[test]
    fn foreign_text_stays_text() {
        let evil = "</p><script>alert(1)</script><img src=x onerror='a'>\"\u{202e}\0&lt;";
        let html = Page::failed(evil, evil, evil).html();
        let plain = Page::failed("a", "a", "a").html();
        assert_eq!(html.matches('<').count(), plain.matches('<').count());
        assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
        assert!(html.contains("onerror=&#39;a&#39;&gt;&quot;\\u{202e}\\u{0}&amp;lt;"));
        let long = Page::failed("a", &"x".repeat(100_000), "a").html();
        assert!(long.len() < plain.len() + MAX_PAGE_TEXT + 10);
    }

    #[test]
    fn the_policy_allows_the_style_of_the_page_and_no_more() {
        let html = Page::signed_in("h.example").html();
        let (_, rest) = html.split_once("<style>").unwrap();
        let (style, _) = rest.split_once("</style>").unwrap();
        let hash = STANDARD.encode(Sha256::digest(style));
        assert_eq!(
            *CONTENT_SECURITY_POLICY,
            format!(
                "default-src 'none'; style-src 'sha256-{hash}'; img-src data:; base-uri 'none'; \
                 form-action 'none'; frame-ancestors 'none'"
            )
        );
        assert!(!html.contains("<script") && !html.contains("style="));
        assert!(!style.contains("url(") && !style.contains("@import"));
    }

    #[test]
    fn only_pairs_of_backticks_mark_something_to_type() {
        for (text, html) in [
            ("a", "a"),
            ("a `b` c", "a <code>b</code> c"),
            ("`b``c`", "<code>b</code><code>c</code>"),
            ("a `b", "a `b"),
            ("`a` `", "<code>a</code> `"),
            ("Run `a`. Wait.", "Run <code>a</code>. Wait."),
            ("Run `a`.", "Run <code>a</code>"),
        ] {
            assert_eq!(typed(text), html);
        }
    }

    #[test]
    fn hosts_as_people_know_them() {
        for (url, shown) in [
            ("https://h.example/mcp?key=1", "h.example"),
            ("https://h.example:443/", "h.example"),
            ("http://me:pw@[::1]:8080/", "[::1]:8080"),
        ] {
            assert_eq!(host(&Url::parse(url).unwrap()), shown);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_becomes_markup(text: String) {
            let plain = Page::failed("a", "a", "a").html();
            let html = Page::failed(&text, &text, &text.replace('`', "")).html();
            for c in ['<', '>', '"', '\''] {
                assert_eq!(html.matches(c).count(), plain.matches(c).count());
            }
        }
    }
}
