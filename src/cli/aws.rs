//! Signing requests with AWS credentials, in the place of OAuth.

use clap::Args;

/// `--aws-sigv4` and what belongs to it.
#[derive(Clone, Debug, Args)]
pub struct AwsArgs {
    /// Sign every request with AWS credentials (Signature Version 4), in the place of OAuth
    ///
    /// For MCP servers behind Bedrock AgentCore, API Gateway and Lambda URLs with IAM. The credentials are
    /// found as the AWS CLI finds them. Needs a build with the feature "aws".
    #[arg(long, help_heading = "Sign-in")]
    pub aws_sigv4: bool,

    /// The service to sign for, where the host does not tell it: bedrock-agentcore, execute-api, lambda
    #[arg(
        long,
        value_name = "NAME",
        requires = "aws_sigv4",
        help_heading = "Sign-in",
        hide_short_help = true
    )]
    pub aws_service: Option<String>,

    /// The region to sign for; by default that of the host, of AWS_REGION, or of the profile
    #[arg(
        long,
        value_name = "NAME",
        requires = "aws_sigv4",
        help_heading = "Sign-in",
        hide_short_help = true
    )]
    pub aws_region: Option<String>,

    /// The AWS profile to use, and nothing else; by default all that the AWS CLI looks into
    #[arg(
        long,
        value_name = "NAME",
        requires = "aws_sigv4",
        help_heading = "Sign-in",
        hide_short_help = true
    )]
    pub aws_profile: Option<String>,
}
