//! Which service a signature is for, and in which region: part of what is signed.

/// Both names, as AWS spells them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The signing name of the service: `bedrock-agentcore`.
    pub service: String,
    /// The region: `us-east-1`.
    pub region: String,
}

/// What the host of an endpoint tells about it; nothing about a domain of one's own.
///
/// AWS does not say for every service what it signs as, so only such hosts are known that MCP servers
/// have, and those below `api.aws`, whose first name it is.
pub fn of_host(host: &str) -> Option<Place> {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let names: Vec<&str> = host.split('.').collect();
    let (service, region) = match names[..] {
        [_, "lambda-url", region, "on", "aws"] => ("lambda", region),
        [.., service, region, "api", "aws"] => (service, region),
        [.., service, region, "vpce", "amazonaws", "com"]
        | [.., service, region, "amazonaws", "com"]
        | [.., service, region, "vpce", "amazonaws", "com", "cn"]
        | [.., service, region, "amazonaws", "com", "cn"] => {
            let service = service.strip_suffix("-fips").unwrap_or(service);
            if !matches!(service, "bedrock-agentcore" | "execute-api") {
                return None;
            }
            (service, region)
        }
        _ => return None,
    };
    is_region(region).then(|| Place { service: service.to_owned(), region: region.to_owned() })
}

/// Whether it looks like the name of a region: `us-gov-west-1`.
fn is_region(name: &str) -> bool {
    let parts: Vec<&str> = name.split('-').collect();
    let [area @ .., number] = &parts[..] else { return false };
    area.len() >= 2
        && area.iter().all(|part| part.bytes().all(|b| b.is_ascii_lowercase()) && part.len() >= 2)
        && !number.is_empty()
        && number.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_aws_tell_service_and_region() {
        for (host, place) in [
            ("bedrock-agentcore.us-west-2.amazonaws.com", Some(("bedrock-agentcore", "us-west-2"))),
            (
                "gw-abc.gateway.bedrock-agentcore.eu-central-1.amazonaws.com",
                Some(("bedrock-agentcore", "eu-central-1")),
            ),
            (
                "vpce-0a-1b.bedrock-agentcore.us-east-1.vpce.amazonaws.com",
                Some(("bedrock-agentcore", "us-east-1")),
            ),
            (
                "abc123.execute-api.us-gov-west-1.amazonaws.com",
                Some(("execute-api", "us-gov-west-1")),
            ),
            ("ABC.Execute-API.CN-North-1.amazonaws.com.cn.", Some(("execute-api", "cn-north-1"))),
            ("abc.execute-api-fips.us-east-1.amazonaws.com", Some(("execute-api", "us-east-1"))),
            ("abc123.lambda-url.ap-southeast-2.on.aws", Some(("lambda", "ap-southeast-2"))),
            ("aws-mcp.us-east-1.api.aws", Some(("aws-mcp", "us-east-1"))),
            // What it signs as is not its name.
            ("bedrock-runtime.us-east-1.amazonaws.com", None),
            ("mcp.example.com", None),
            ("execute-api.us-east-1.amazonaws.com.example.com", None),
            ("a.lambda-url.nowhere.on.aws", None),
            ("execute-api.-1.amazonaws.com", None),
            ("127.0.0.1", None),
            ("", None),
        ] {
            let found = of_host(host);
            let found = found.as_ref().map(|place| (&*place.service, &*place.region));
            assert_eq!(found, place, "{host}");
        }
    }
}
