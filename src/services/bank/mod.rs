//! `BankService`: banks, their entries, and what the index holds of them.

mod parse;
mod curate;
mod reply;
mod import;

use crate::core::bank::{
    Bank, BankedSignal, FRAMES_PER_ENTRY_MAX, PDQ_QUALITY_MIN, SIGNALS_PER_ENTRY_MAX,
};
use crate::core::curation::{create_bank, existing_bank, existing_entry, update_bank};
use crate::core::event::Event;
use crate::core::media::{Examined, VideoFrame};
use crate::core::refused::{Refused, Thing, unchanged};
use crate::core::screening::question::Question;
use crate::core::signal::Signal;
use crate::core::verdict::{CheckState, Form};
use crate::io::store::Which;
use crate::proto::v1;
use crate::proto::v1::bank_service_server::BankService;
use crate::services::bank::parse::Source;
use crate::services::desk::{Call, Desk, refuse_blob};
use crate::services::pump;
use crate::services::status::Refusal;
use crate::services::words::{page, verdict};
use tonic::{Request, Response, Status, Streaming};

/// What an entry is made from.
const NOT_WHOLE: &str = "must be a picture or a video that can be decoded whole";

/// The room.
#[derive(Clone)]
pub struct Banks {
    desk: Desk,
}

impl Banks {
    /// The room over a desk.
    #[must_use]
    pub const fn new(desk: Desk) -> Self {
        Self { desk }
    }

    /// The signals of an item's bytes, and what became of hashing it.
    async fn hash(
        &self,
        call: &Call,
        content: &[u8],
    ) -> Result<(Vec<BankedSignal>, Vec<v1::CheckCoverage>), Refusal> {
        let blob = self.desk.blob(content)?.seal().map_err(|fault| refuse_blob(&fault))?;
        let deadline = self.desk.media_deadline(call, &blob);
        let examined = self.desk.examiner.examine(blob, deadline).await;
        let coverage = Question::of_examined(&examined).coverage;
        let signals = signals_of(&examined)?;
        Ok((signals, coverage.iter().map(verdict::coverage).collect()))
    }
}

/// The digests of the bytes, and the unchanged hash of every form of a picture, or of every frame of a video, that has
/// structure enough.
fn signals_of(examined: &Examined) -> Result<Vec<BankedSignal>, Refusal> {
    let refuse = |must: &str| Refusal::fields(vec![("media".to_owned(), must.to_owned())]);
    // What follows a picture in its file is not banked with it.
    let Some(part) = examined.parts.first() else { return Err(refuse(NOT_WHOLE)) };
    let is_picture = part.image == CheckState::Checked;
    let is_video = part.video == CheckState::Checked && !part.frames.is_empty();
    if !is_picture && !is_video {
        let (image, video) = (format!("{:?}", part.image), format!("{:?}", part.video));
        return Err(refuse(NOT_WHOLE).with("state", image).with("video_state", video));
    }
    let mut signals: Vec<BankedSignal> = part
        .digests
        .iter()
        .flat_map(|digests| {
            [Signal::Md5(digests.md5), Signal::Sha1(digests.sha1), Signal::Sha256(digests.sha256)]
        })
        .map(|signal| BankedSignal::new(signal, None))
        .collect();
    for picture in part.pictures.iter().filter(|_| is_picture) {
        let signal = Signal::Pdq(picture.hashes[0]);
        let known = signals.iter().any(|banked| banked.signal == signal);
        if picture.quality >= PDQ_QUALITY_MIN && !known && signals.len() < SIGNALS_PER_ENTRY_MAX {
            signals.push(BankedSignal::new(signal, Some(picture.quality)));
        }
    }
    // The first stream is what a player shows; of a picture that moves, every frame.
    let own = |frame: &&VideoFrame| frame.stream == 0;
    let frames = part.frames.iter().filter(own).map(|frame| &frame.picture);
    let is_moving = part.pictures.iter().any(|picture| picture.frame > 0);
    let moving = part.pictures.iter().filter(|_| is_picture && is_moving);
    let frames = frames
        .chain(moving)
        .filter(|picture| picture.form == Form::Canonical && picture.quality >= PDQ_QUALITY_MIN);
    signals.extend(frames.take(FRAMES_PER_ENTRY_MAX).filter_map(|picture| {
        let signal = Signal::VpdqFrame(picture.hashes[0]);
        let at = Some(picture.at_millis?);
        Some(BankedSignal { signal, quality: Some(picture.quality), at })
    }));
    Ok(signals)
}

#[tonic::async_trait]
impl BankService for Banks {
    async fn create_bank(
        &self,
        request: Request<v1::CreateBankRequest>,
    ) -> Result<Response<v1::CreateBankResponse>, Status> {
        let call = Call::of(&request)?;
        let asked = parse::create_bank(request.into_inner())?;
        let key = call.request_key("CreateBank", asked.keyed.as_ref());
        let scope = call.caller.scope;
        let kept = self.desk.keep_record(key, move |tx| {
            Box::pin(async move {
                let present = tx.bank(&scope, &asked.wanted.id).await?;
                let bank = create_bank(present.as_ref(), asked.wanted, tx.now())?;
                tx.record(Event::BankPut { scope, bank: bank.clone() }).await?;
                Ok(bank)
            })
        });
        let (bank, journal_number) = kept.await?;
        let bank = Some(reply::bank(&bank, 0));
        Ok(Response::new(v1::CreateBankResponse { bank, journal_number }))
    }

    async fn get_bank(
        &self,
        request: Request<v1::GetBankRequest>,
    ) -> Result<Response<v1::GetBankResponse>, Status> {
        let call = Call::of(&request)?;
        let id = parse::bank_id(&request.get_ref().bank_id)?;
        let bank = existing_bank(self.desk.store.bank(&call.caller.scope, &id).await?, &id)?;
        let count = self.desk.counted(&call).await?.get(&id).map_or(0, |counted| counted.entries);
        Ok(Response::new(v1::GetBankResponse { bank: Some(reply::bank(&bank, count)) }))
    }

    async fn list_banks(
        &self,
        request: Request<v1::ListBanksRequest>,
    ) -> Result<Response<v1::ListBanksResponse>, Status> {
        let call = Call::of(&request)?;
        let page = parse::list_banks(request.get_ref())?;
        let limit = u64::from(page.rows) + 1;
        let scope = &call.caller.scope;
        let found = self.desk.store.banks(scope, page.after.as_deref(), limit).await?;
        let next_page_token = page::more("banks", &found, page.rows, |bank| bank.id.to_string());
        let counted = self.desk.counted(&call).await?;
        let count = |bank: &Bank| counted.get(&bank.id).map_or(0, |counted| counted.entries);
        let rows = found.iter().take(page.rows as usize);
        let banks = rows.map(|bank| reply::bank(bank, count(bank))).collect();
        Ok(Response::new(v1::ListBanksResponse { banks, next_page_token }))
    }

    async fn update_bank(
        &self,
        request: Request<v1::UpdateBankRequest>,
    ) -> Result<Response<v1::UpdateBankResponse>, Status> {
        let call = Call::of(&request)?;
        let asked = parse::update_bank(request.into_inner())?;
        let key = call.request_key("UpdateBank", asked.keyed.as_ref());
        let scope = call.caller.scope;
        let kept = self.desk.keep_record(key, move |tx| {
            Box::pin(async move {
                let present = existing_bank(tx.bank(&scope, &asked.id).await?, &asked.id)?;
                // Kept with the record: a repetition is answered as the first time, whatever came into the bank since.
                let count = tx.entry_count(&scope, &asked.id).await?;
                let bank = update_bank(present, asked.patch, asked.read, tx.now())?;
                tx.record(Event::BankPut { scope, bank: bank.clone() }).await?;
                Ok((bank, count))
            })
        });
        let ((bank, count), journal_number) = kept.await?;
        let bank = Some(reply::bank(&bank, count));
        Ok(Response::new(v1::UpdateBankResponse { bank, journal_number }))
    }

    async fn delete_bank(
        &self,
        request: Request<v1::DeleteBankRequest>,
    ) -> Result<Response<v1::DeleteBankResponse>, Status> {
        let call = Call::of(&request)?;
        let asked = parse::delete_bank(request.get_ref())?;
        let key = call.request_key("DeleteBank", asked.keyed.as_ref());
        let scope = call.caller.scope;
        let kept = self.desk.keep_record(key, move |tx| {
            Box::pin(async move {
                let bank = existing_bank(tx.bank(&scope, &asked.id).await?, &asked.id)?;
                unchanged(Thing::Bank, &bank.id, Some(asked.read), bank.version)?;
                let count = tx.entry_count(&scope, &bank.id).await?;
                tx.record(Event::BankDeleted { scope, bank: bank.id, at: tx.now() }).await?;
                Ok(count)
            })
        });
        let (removed_entry_count, journal_number) = kept.await?;
        Ok(Response::new(v1::DeleteBankResponse { removed_entry_count, journal_number }))
    }

    async fn add_entry(
        &self,
        request: Request<v1::AddEntryRequest>,
    ) -> Result<Response<v1::AddEntryResponse>, Status> {
        let call = Call::of(&request)?;
        let mut asked = parse::add_entry(request.into_inner(), self.desk.clock.now())?;
        let key = call.request_key("AddEntry", asked.keyed.as_ref());
        let (signals, coverage) = match &asked.source {
            Source::Signals(signals) => (signals.clone(), Vec::new()),
            Source::Media(content) => self.hash(&call, content).await?,
        };
        let far = self.desk.far_good(&call, &asked.bank, &signals).await;
        asked.wanted.signals = signals;
        let (scope, bank_id) = (call.caller.scope, asked.bank.to_string());
        let kept = self.desk.keep_record(key, move |tx| {
            Box::pin(async move { curate::add(tx, &scope, asked, &far).await })
        });
        let (entry, journal_number) = kept.await?;
        let entry = Some(reply::entry(&bank_id, &entry));
        Ok(Response::new(v1::AddEntryResponse { entry, journal_number, coverage }))
    }

    async fn get_entry(
        &self,
        request: Request<v1::GetEntryRequest>,
    ) -> Result<Response<v1::GetEntryResponse>, Status> {
        let scope = Call::of(&request)?.caller.scope;
        let (bank, id) = parse::entry_id(request.get_ref())?;
        let present = self.desk.store.entry(&scope, &bank, &id).await?;
        let missing = || Refused::Missing(Thing::Entry, id.to_string());
        let entry = reply::entry(bank.as_str(), &present.ok_or_else(missing)?);
        Ok(Response::new(v1::GetEntryResponse { entry: Some(entry) }))
    }

    async fn list_entries(
        &self,
        request: Request<v1::ListEntriesRequest>,
    ) -> Result<Response<v1::ListEntriesResponse>, Status> {
        let scope = Call::of(&request)?.caller.scope;
        let (bank, page) = parse::list_entries(request.get_ref())?;
        existing_bank(self.desk.store.bank(&scope, &bank).await?, &bank)?;
        let removed = request.get_ref().show_removed;
        let which = if removed { Which::All } else { Which::NotRemoved };
        let limit = u64::from(page.rows) + 1;
        let after = page.after.as_deref();
        let found = self.desk.store.entries(&scope, &bank, which, after, limit).await?;
        let next_page_token = page::more("entries", &found, page.rows, |e| e.id.to_string());
        let rows = found.iter().take(page.rows as usize);
        let entries = rows.map(|entry| reply::entry(bank.as_str(), entry)).collect();
        Ok(Response::new(v1::ListEntriesResponse { entries, next_page_token }))
    }

    async fn update_entry(
        &self,
        request: Request<v1::UpdateEntryRequest>,
    ) -> Result<Response<v1::UpdateEntryResponse>, Status> {
        let call = Call::of(&request)?;
        let asked = parse::update_entry(request.into_inner(), self.desk.clock.now())?;
        let key = call.request_key("UpdateEntry", asked.keyed.as_ref());
        let far = self.desk.far_good_of(&call, &asked.bank, &asked.id).await?;
        let (scope, bank_id) = (call.caller.scope, asked.bank.to_string());
        let kept = self.desk.keep_record(key, move |tx| {
            Box::pin(async move { curate::update(tx, &scope, asked, &far).await })
        });
        let (entry, journal_number) = kept.await?;
        let entry = Some(reply::entry(&bank_id, &entry));
        Ok(Response::new(v1::UpdateEntryResponse { entry, journal_number }))
    }

    async fn remove_entry(
        &self,
        request: Request<v1::RemoveEntryRequest>,
    ) -> Result<Response<v1::RemoveEntryResponse>, Status> {
        let call = Call::of(&request)?;
        let asked = parse::remove_entry(request.get_ref())?;
        let key = call.request_key("RemoveEntry", asked.keyed.as_ref());
        let far = self.desk.far_good_of(&call, &asked.bank, &asked.id).await?;
        let (scope, bank_id) = (call.caller.scope, asked.bank.to_string());
        let kept = self.desk.keep_record(key, move |tx| {
            Box::pin(async move { curate::remove(tx, &scope, asked, &far).await })
        });
        let (entry, journal_number) = kept.await?;
        let entry = Some(reply::entry(&bank_id, &entry));
        Ok(Response::new(v1::RemoveEntryResponse { entry, journal_number }))
    }

    async fn import_entries(
        &self,
        request: Request<Streaming<v1::ImportEntriesRequest>>,
    ) -> Result<Response<v1::ImportEntriesResponse>, Status> {
        let call = Call::of(&request)?;
        let patience = self.desk.patience(&call);
        let mut import = import::Import::new(self.desk.clone(), &call);
        let mut inbound = request.into_inner();
        while let Some(message) = pump::take(&mut inbound, patience).await? {
            import.on(parse::import(message, self.desk.clock.now())?).await?;
        }
        Ok(Response::new(import.end().await?))
    }

    async fn record_opinion(
        &self,
        request: Request<v1::RecordOpinionRequest>,
    ) -> Result<Response<v1::RecordOpinionResponse>, Status> {
        let call = Call::of(&request)?;
        let asked = parse::record_opinion(request.into_inner())?;
        let key = call.request_key("RecordOpinion", asked.keyed.as_ref());
        let far = self.desk.far_good_of(&call, &asked.bank, &asked.id).await?;
        let (scope, bank_id) = (call.caller.scope, asked.bank.to_string());
        let kept = self.desk.keep_record(key, move |tx| {
            Box::pin(async move { curate::record(tx, &scope, asked, &far).await })
        });
        let (opined, journal_number) = kept.await?;
        Ok(Response::new(reply::opined(&bank_id, &opined, journal_number)))
    }

    async fn list_opinions(
        &self,
        request: Request<v1::ListOpinionsRequest>,
    ) -> Result<Response<v1::ListOpinionsResponse>, Status> {
        let scope = Call::of(&request)?.caller.scope;
        let (bank, id, page) = parse::list_opinions(request.get_ref())?;
        let entry = existing_entry(self.desk.store.entry(&scope, &bank, &id).await?, &id)?;
        Ok(Response::new(reply::opinions(&entry, &page)))
    }

    async fn list_quarantine(
        &self,
        request: Request<v1::ListQuarantineRequest>,
    ) -> Result<Response<v1::ListQuarantineResponse>, Status> {
        let scope = Call::of(&request)?.caller.scope;
        let (bank, page) = parse::list_quarantine(request.get_ref())?;
        existing_bank(self.desk.store.bank(&scope, &bank).await?, &bank)?;
        let (after, limit) = (page.after.as_deref(), u64::from(page.rows) + 1);
        let found = self.desk.store.entries(&scope, &bank, Which::Suspended, after, limit).await?;
        let next_page_token = page::more("quarantine", &found, page.rows, |e| e.id.to_string());
        let rows = found.iter().take(page.rows as usize);
        let set_aside = rows.filter(|entry| entry.quarantine().is_some());
        let entries = set_aside.map(|entry| reply::entry(bank.as_str(), entry)).collect();
        Ok(Response::new(v1::ListQuarantineResponse { entries, next_page_token }))
    }

    async fn release_from_quarantine(
        &self,
        request: Request<v1::ReleaseFromQuarantineRequest>,
    ) -> Result<Response<v1::ReleaseFromQuarantineResponse>, Status> {
        let call = Call::of(&request)?;
        let asked = parse::release(request.into_inner())?;
        let key = call.request_key("ReleaseFromQuarantine", asked.keyed.as_ref());
        let far = self.desk.far_good_of(&call, &asked.bank, &asked.id).await?;
        let (scope, bank_id) = (call.caller.scope, asked.bank.to_string());
        let kept = self.desk.keep_record(key, move |tx| {
            Box::pin(async move { curate::let_go(tx, &scope, asked, &far).await })
        });
        let (entry, journal_number) = kept.await?;
        let entry = Some(reply::entry(&bank_id, &entry));
        Ok(Response::new(v1::ReleaseFromQuarantineResponse { entry, journal_number }))
    }

    async fn compare_signals(
        &self,
        request: Request<v1::CompareSignalsRequest>,
    ) -> Result<Response<v1::CompareSignalsResponse>, Status> {
        let (first, second) = parse::compare(request.get_ref())?;
        Ok(Response::new(reply::compared(&first, &second)))
    }

    async fn get_index_status(
        &self,
        request: Request<v1::GetIndexStatusRequest>,
    ) -> Result<Response<v1::GetIndexStatusResponse>, Status> {
        let call = Call::of(&request)?;
        let journal_number = self.desk.store.head_number().await?;
        let counted = self.desk.counted(&call).await?;
        let now = self.desk.clock.now();
        let (applied_number, banks) = {
            let resident = self.desk.store.resident().read();
            let banks = resident.of(&call.caller.scope).map(|holding| holding.matcher.banks());
            let banks = banks.into_iter().flatten();
            let write = |status| reply::index_status(&status, &counted, now);
            (resident.applied(), banks.map(write).collect())
        };
        Ok(Response::new(v1::GetIndexStatusResponse { journal_number, applied_number, banks }))
    }
}
