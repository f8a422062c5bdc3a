//! Makes, lists and ends partners: other companies' services that learn from this one.

use super::client::{Client, ServerArgs, request_id};
use super::fault::{DONE, Failure};
use super::{explain, words};
use crate::proto::v1;
use std::io::Write;

/// What to do with partners. Needs a key of the role BANK_MANAGER; an agreement needs two of them.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum PartnerCommand {
    /// Make or agree to a partner: it is in force once a second person has put the very same
    Put(Box<PutArgs>),
    /// List partners, and what this service signs with
    List(ServerArgs),
    /// End a partner's agreement
    Revoke(RevokeArgs),
}

/// Make or agree to a partner.
#[derive(Debug, Clone, clap::Args)]
pub struct PutArgs {
    /// Its name: lower-case letters, digits and hyphens
    pub partner: String,
    /// The credential by which it calls, of the role exchange-partner
    #[arg(long, value_name = "NAME")]
    pub credential: String,
    /// What for
    #[arg(long, value_name = "TEXT")]
    pub purpose: String,
    /// A bank whose entries it is told; can be given several times
    #[arg(long, value_name = "BANK")]
    pub share: Vec<String>,
    /// A bank into which it may bring entries, where they are proposed; can be given several times
    #[arg(long, value_name = "BANK", requires_all = ["origin", "public_key"])]
    pub take: Vec<String>,
    /// New entries that it may bring into each in a day, 0 for any number; left out, what the server says
    #[arg(long, value_name = "NUMBER", requires = "take")]
    pub new_per_day: Option<u32>,
    /// Its name in what it signs
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub origin: String,
    /// Its public key; can be given several times
    #[arg(long, value_name = "HEX")]
    pub public_key: Vec<String>,
    /// Under whose law it stands, as a country code
    #[arg(long, value_name = "CODE", default_value = "", hide_default_value = true)]
    pub jurisdiction: String,
    /// Where the server is
    #[command(flatten)]
    pub server: ServerArgs,
}

/// End a partner's agreement.
#[derive(Debug, Clone, clap::Args)]
pub struct RevokeArgs {
    /// The partner
    pub partner: String,
    /// Where the server is
    #[command(flatten)]
    pub server: ServerArgs,
}

/// Does it.
///
/// # Errors
/// A call that was refused, or an answer that cannot be written.
pub async fn run(command: &PartnerCommand, out: &mut dyn Write) -> Result<u8, Failure> {
    match command {
        PartnerCommand::Put(args) => put(args, out).await,
        PartnerCommand::List(server) => list(server, out).await,
        PartnerCommand::Revoke(args) => revoke(args, out).await,
    }
}

async fn send(client: &Client, message: v1::PutPartnerRequest) -> Result<v1::Partner, Failure> {
    let sent = client.ask(message, |request| {
        let mut exchanges = client.exchanges();
        async move { exchanges.put_partner(request).await }
    });
    sent.await?.partner.ok_or_else(|| Failure::new("an answer without a partner"))
}

async fn put(args: &PutArgs, out: &mut dyn Write) -> Result<u8, Failure> {
    let client = Client::connect(&args.server).await?;
    let share = |bank: &String| v1::PartnerShare { bank_id: bank.clone(), signal_types: vec![] };
    let take = |bank: &String| v1::PartnerTake {
        bank_id: bank.clone(),
        new_entries_per_day: args.new_per_day,
        ..v1::PartnerTake::default()
    };
    let partner = v1::Partner {
        partner_id: args.partner.clone(),
        credential_id: args.credential.clone(),
        purpose: args.purpose.clone(),
        origin: args.origin.clone(),
        public_keys: args.public_key.clone(),
        shares: args.share.iter().map(share).collect(),
        takes: args.take.iter().map(take).collect(),
        jurisdiction: args.jurisdiction.clone(),
        ..v1::Partner::default()
    };
    let partner = Some(partner);
    let message = v1::PutPartnerRequest { partner, revoke: false, request_id: request_id() };
    let put = send(&client, message).await?;
    let how = if put.in_force {
        "in force"
    } else {
        "not in force yet: a second person has to put the very same, with another key"
    };
    writeln!(out, "partner {} is {how}", args.partner)?;
    Ok(DONE)
}

async fn revoke(args: &RevokeArgs, out: &mut dyn Write) -> Result<u8, Failure> {
    let client = Client::connect(&args.server).await?;
    let partner = v1::Partner { partner_id: args.partner.clone(), ..v1::Partner::default() };
    let partner = Some(partner);
    let message = v1::PutPartnerRequest { partner, revoke: true, request_id: request_id() };
    send(&client, message).await?;
    writeln!(out, "the agreement with partner {} has ended", args.partner)?;
    Ok(DONE)
}

async fn list(server: &ServerArgs, out: &mut dyn Write) -> Result<u8, Failure> {
    let client = Client::connect(server).await?;
    let headings = ["partner", "credential", "in force", "told of", "brings to", "purpose"];
    let mut table = explain::table(&headings);
    let mut page_token = String::new();
    let (origin, key) = loop {
        let message = v1::ListPartnersRequest { page_size: 1_000, page_token };
        let sent = client.ask(message, |request| {
            let mut exchanges = client.exchanges();
            async move { exchanges.list_partners(request).await }
        });
        let page = sent.await?;
        for one in page.partners {
            let told: Vec<_> = one.shares.into_iter().map(|share| share.bank_id).collect();
            let brings = one.takes.into_iter().map(|take| {
                format!("{} as {}", take.bank_id, words::entry_state_name(take.enters_as))
            });
            table.add_row([
                one.partner_id,
                one.credential_id,
                one.in_force.to_string(),
                told.join(", "),
                brings.collect::<Vec<_>>().join(", "),
                one.purpose,
            ]);
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break (page.own_origin, page.own_public_key);
        }
    };
    writeln!(out, "{table}\nthis service signs as {origin} with public key {key}")?;
    Ok(DONE)
}
