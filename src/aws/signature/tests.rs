use std::time::Duration;

use super::*;

/// Cases of the test suite that AWS publishes for Signature Version 4 (`aws-sig-v4-test-suite`, as it is kept
/// in awslabs/aws-c-auth): service `service` in `us-east-1` at 2015-08-30T12:36:00Z, with the key
/// `AKIDEXAMPLE`. The last one is of smithy-lang/smithy-rs, which has such a path.
struct Case {
    name: &'static str,
    method: Method,
    url: &'static str,
    signed: &'static [(&'static str, &'static str)],
    body: &'static str,
    token: Option<&'static str>,
    /// `SignedHeaders`.
    names: &'static str,
    signature: &'static str,
}

const HOST: &str = "https://example.amazonaws.com/";
const KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
/// 2015-08-30T12:36:00Z.
const THEN: u64 = 1_440_938_160;

impl Case {
    fn get(name: &'static str, url: &'static str, signature: &'static str) -> Case {
        let (signed, names) = (&[][..], "host;x-amz-date");
        Case { name, method: Method::GET, url, signed, body: "", token: None, names, signature }
    }

    fn post(name: &'static str, url: &'static str, signature: &'static str) -> Case {
        Case { method: Method::POST, ..Case::get(name, url, signature) }
    }

    fn token(self, token: &'static str) -> Case {
        Case { token: Some(token), names: "host;x-amz-date;x-amz-security-token", ..self }
    }

    fn signed(self, signed: &'static [(&'static str, &'static str)], names: &'static str) -> Case {
        Case { signed, names, ..self }
    }

    fn body(self, body: &'static str) -> Case {
        Case { body, ..self }
    }
}

const FORM_HASH: &str = "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e";
const FORM_NAMES: &str = "content-length;content-type;host;x-amz-content-sha256;x-amz-date";

fn cases() -> Vec<Case> {
    vec![
        Case::get(
            "get-vanilla",
            HOST,
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        Case::post(
            "post-vanilla",
            HOST,
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ),
        Case::get(
            "get-vanilla-empty-query-key",
            "https://example.amazonaws.com/?Param1=value1",
            "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb",
        ),
        Case::post(
            "post-vanilla-query",
            "https://example.amazonaws.com/?Param1=value1",
            "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
        ),
        Case::get(
            "get-vanilla-query-order-key-case",
            "https://example.amazonaws.com/?Param2=value2&Param1=value1",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        Case::get(
            "get-vanilla-query-order-encoded",
            "https://example.amazonaws.com/?Param-3=Value3&Param=Value2&%E1%88%B4=Value1",
            "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
        ),
        Case::get(
            "get-vanilla-query-unreserved",
            "https://example.amazonaws.com/?-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz=-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
            "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
        ),
        Case::get(
            "get-vanilla-utf8-query",
            "https://example.amazonaws.com/?\u{1234}=bar",
            "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
        ),
        Case::get(
            "get-unreserved",
            "https://example.amazonaws.com/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
            "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
        ),
        Case::get(
            "get-header-value-trim",
            HOST,
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        )
        .signed(
            &[("my-header1", " value1"), ("my-header2", " \"a   b   c\"")],
            "host;my-header1;my-header2;x-amz-date",
        ),
        Case::get(
            "get-header-value-order",
            HOST,
            "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01",
        )
        .signed(
            &[
                ("my-header1", "value4"),
                ("my-header1", "value1"),
                ("my-header1", "value3"),
                ("my-header1", "value2"),
            ],
            "host;my-header1;x-amz-date",
        ),
        Case::post(
            "post-header-key-sort",
            HOST,
            "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
        )
        .signed(&[("My-Header1", "value1")], "host;my-header1;x-amz-date"),
        Case::post(
            "post-header-value-case",
            HOST,
            "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
        )
        .signed(&[("My-Header1", "VALUE1")], "host;my-header1;x-amz-date"),
        Case::post(
            "post-x-www-form-urlencoded",
            HOST,
            "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
        )
        .signed(
            &[
                ("content-type", "application/x-www-form-urlencoded"),
                ("content-length", "13"),
                ("x-amz-content-sha256", FORM_HASH),
            ],
            FORM_NAMES,
        )
        .body("Param1=value1"),
        Case::post(
            "post-x-www-form-urlencoded-parameters",
            HOST,
            "328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422",
        )
        .signed(
            &[
                ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
                ("content-length", "13"),
                ("x-amz-content-sha256", FORM_HASH),
            ],
            FORM_NAMES,
        )
        .body("Param1=value1"),
        Case::get(
            "get-vanilla-with-session-token",
            HOST,
            "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
        )
        .token("6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"),
        Case::post(
            "post-sts-header-before",
            HOST,
            "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
        )
        .token(concat!(
            "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfp",
            "SPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQ",
            "DYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+s",
            "cqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
        )),
    ]
}

fn place(service: &str, region: &str) -> Place {
    Place { service: service.into(), region: region.into() }
}

fn text<'a>(fields: &'a [(HeaderName, HeaderValue)], name: &HeaderName) -> Option<&'a str> {
    fields.iter().find(|(found, _)| found == name).map(|(_, value)| value.to_str().unwrap())
}

#[test]
fn the_published_cases_are_signed_as_published() {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(THEN);
    for case in cases() {
        let token = case.token.map(str::to_owned);
        let credentials = Credentials::new("AKIDEXAMPLE", KEY, token, None, "test");
        let url = Url::parse(case.url).unwrap();
        let (signed, body) = (case.signed.to_vec(), case.body.as_bytes());
        let place = place("service", "us-east-1");
        let fields = fields(&case.method, &url, signed, body, &credentials, &place, time).unwrap();
        let expected = format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders={}, Signature={}",
            case.names, case.signature
        );
        assert_eq!(text(&fields, &header::AUTHORIZATION), Some(&*expected), "{}", case.name);
        assert_eq!(text(&fields, &DATE), Some("20150830T123600Z"), "{}", case.name);
        assert_eq!(text(&fields, &TOKEN), case.token, "{}", case.name);
    }
}

/// The ARN in the path of a runtime is encoded already, and encoded again in what is signed
/// (`double-url-encode` in the suite of smithy-lang/smithy-rs).
#[test]
fn an_encoded_path_is_encoded_again() {
    let credentials = Credentials::new("AKIDEXAMPLE", KEY, None, None, "test");
    let url = "https://lambda.us-east-2.amazonaws.com/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-west-2%3A892717189312%3Afunction%3Amy-rusty-fun/invocations";
    let url = Url::parse(url).unwrap();
    // 2021-05-11T15:40:45Z.
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_620_747_645);
    let place = place("lambda", "us-east-2");
    let fields = fields(&Method::POST, &url, vec![], b"", &credentials, &place, time).unwrap();
    let signature = "4b93abbcc68be32bd64c18e2c71150660ab4c29bbd6c32a383a7517a88fc1804";
    assert!(text(&fields, &header::AUTHORIZATION).unwrap().ends_with(signature));
}

#[test]
fn a_request_of_the_bridge_has_its_own_fields_signed_and_no_others() {
    let credentials = Credentials::new("AKIDEXAMPLE", KEY, Some("fake-token".into()), None, "test");
    let url = Url::parse("https://a.execute-api.us-east-1.amazonaws.com/mcp").unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("accept", "application/json"),
        ("authorization", "Bearer fake"),
        ("content-type", "application/json"),
        ("mcp-session-id", "s"),
        ("x-amz-date", "19990101T000000Z"),
        ("x-amz-security-token", "of-yesterday"),
        ("x-amzn-bedrock-agentcore-runtime-session-id", "r"),
        ("x-amzn-trace-id", "t"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let place = place("execute-api", "us-east-1");
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(THEN);
    add(&Method::POST, &url, &mut headers, b"{}", &credentials, &place, time).unwrap();
    let authorization = headers[header::AUTHORIZATION].to_str().unwrap();
    assert!(
        authorization.contains(
            "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;\
             x-amzn-bedrock-agentcore-runtime-session-id, "
        ),
        "{authorization}"
    );
    assert_eq!(headers[DATE], "20150830T123600Z");
    assert_eq!(headers[TOKEN], "fake-token");
    assert_eq!(headers.get_all(header::AUTHORIZATION).iter().count(), 1);
    let shown = format!("{headers:?}");
    assert!(!shown.contains("fake-token") && !shown.contains("AKIDEXAMPLE"), "{shown}");

    headers.insert("x-amz-note", HeaderValue::from_bytes(b"\xff").unwrap());
    let error = add(&Method::POST, &url, &mut headers, b"", &credentials, &place, time);
    assert!(error.unwrap_err().to_string().contains("x-amz-note"));
}
