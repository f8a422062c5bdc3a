//! Makes, lists and revokes credentials.

use super::client::{Client, ServerArgs, request_id};
use super::fault::{DONE, Failure};
use super::{explain, words};
use crate::proto::v1::{
    ApiKey, CreateCredentialRequest, Credential, Environment, ListCredentialsRequest,
    RevokeCredentialRequest, Role, credential,
};
use std::io::Write;

/// What to do with credentials. Needs a key of the role ADMIN.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum KeyCommand {
    /// Make a key and print it, once
    Create(CreateArgs),
    /// List credentials, revoked ones too
    List(ListArgs),
    /// Revoke a credential for good
    Revoke(RevokeArgs),
}

/// Make a key.
#[derive(Debug, Clone, clap::Args)]
pub struct CreateArgs {
    /// What it may be used for; can be given several times
    #[arg(long, required = true, value_parser = words::one_of(words::ROLES))]
    pub role: Vec<Role>,
    /// Whether its calls can have consequences outside
    #[arg(long, value_parser = words::one_of(words::ENVIRONMENTS))]
    pub environment: Environment,
    /// Tenant whose data its calls concern
    #[arg(long, default_value = "operator")]
    pub tenant: String,
    /// A note for people
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub name: String,
    /// Where the server is
    #[command(flatten)]
    pub server: ServerArgs,
}

/// List credentials.
#[derive(Debug, Clone, clap::Args)]
pub struct ListArgs {
    /// Tenant whose credentials are listed; the caller's if left out
    #[arg(long, default_value = "", hide_default_value = true)]
    pub tenant: String,
    /// Where the server is
    #[command(flatten)]
    pub server: ServerArgs,
}

/// Revoke a credential.
#[derive(Debug, Clone, clap::Args)]
pub struct RevokeArgs {
    /// The credential's name, which is the first part of a key
    pub credential: String,
    /// Where the server is
    #[command(flatten)]
    pub server: ServerArgs,
}

/// Does it.
///
/// # Errors
/// A call that was refused, or an answer that cannot be written.
pub async fn run(command: &KeyCommand, out: &mut dyn Write) -> Result<u8, Failure> {
    match command {
        KeyCommand::Create(args) => create(args, out).await,
        KeyCommand::List(args) => list(args, out).await,
        KeyCommand::Revoke(args) => revoke(args, out).await,
    }
}

async fn create(args: &CreateArgs, out: &mut dyn Write) -> Result<u8, Failure> {
    let client = Client::connect(&args.server).await?;
    let message = CreateCredentialRequest {
        credential: Some(Credential {
            tenant_id: args.tenant.clone(),
            environment: args.environment.into(),
            roles: args.role.iter().map(|role| i32::from(*role)).collect(),
            display_name: args.name.clone(),
            proof: Some(credential::Proof::Key(ApiKey {})),
            ..Credential::default()
        }),
        request_id: request_id(),
    };
    let sent = client.ask(message, |request| {
        let mut admin = client.admin();
        async move { admin.create_credential(request).await }
    });
    let answer = sent.await?;
    let name = answer.credential.map(|made| made.credential_id).unwrap_or_default();
    if answer.key.is_empty() {
        return Err(Failure::new(format!(
            "the credential {name} was made but its key was lost on the way: revoke it and make another"
        )));
    }
    // The key alone on standard output, so that it can go into a file.
    eprintln!("credential {name}; its key is shown this once:");
    writeln!(out, "{}", answer.key)?;
    Ok(DONE)
}

async fn list(args: &ListArgs, out: &mut dyn Write) -> Result<u8, Failure> {
    let client = Client::connect(&args.server).await?;
    let mut table =
        explain::table(&["credential", "tenant", "environment", "roles", "note", "revoked"]);
    let mut page_token = String::new();
    loop {
        let message =
            ListCredentialsRequest { page_size: 1_000, page_token, tenant_id: args.tenant.clone() };
        let sent = client.ask(message, |request| {
            let mut admin = client.admin();
            async move { admin.list_credentials(request).await }
        });
        let page = sent.await?;
        for row in page.credentials {
            let roles = row.roles.iter().map(|role| words::role_name(*role)).collect::<Vec<_>>();
            table.add_row([
                row.credential_id,
                row.tenant_id,
                words::environment_name(row.environment),
                roles.join(", "),
                row.display_name,
                if row.revoke_time.is_some() { "revoked".into() } else { String::new() },
            ]);
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    writeln!(out, "{table}")?;
    Ok(DONE)
}

async fn revoke(args: &RevokeArgs, out: &mut dyn Write) -> Result<u8, Failure> {
    let client = Client::connect(&args.server).await?;
    let message = RevokeCredentialRequest {
        credential_id: args.credential.clone(),
        etag: String::new(),
        request_id: request_id(),
    };
    let sent = client.ask(message, |request| {
        let mut admin = client.admin();
        async move { admin.revoke_credential(request).await }
    });
    sent.await?;
    writeln!(out, "{} is revoked", args.credential)?;
    Ok(DONE)
}
