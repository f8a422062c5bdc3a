//! `ShardService`: what processes that keep other shards of the banks ask of this one.

mod parse;

use crate::proto::v1;
use crate::proto::v1::shard_service_server::ShardService;
use crate::services::call::Deadline;
use crate::services::desk::Desk;
use crate::services::words::{good, shard};
use tonic::{Request, Response, Status};

/// The room.
#[derive(Clone)]
pub struct ShardRoom {
    desk: Desk,
}

impl ShardRoom {
    /// The room over a desk.
    #[must_use]
    pub const fn new(desk: Desk) -> Self {
        Self { desk }
    }
}

#[tonic::async_trait]
impl ShardService for ShardRoom {
    async fn look_up(
        &self,
        request: Request<v1::LookUpRequest>,
    ) -> Result<Response<v1::LookUpResponse>, Status> {
        let deadline = Deadline::of(request.extensions());
        let asked = parse::look_up(request.into_inner(), self.desk.shard())?;
        self.desk.wait_for_index(asked.index_min).await;
        let answer = self.desk.look_up(deadline, asked.scope, asked.sought, asked.videos).await?;
        Ok(Response::new(shard::write_answer(&answer)))
    }

    async fn find_good(
        &self,
        request: Request<v1::FindGoodRequest>,
    ) -> Result<Response<v1::FindGoodResponse>, Status> {
        let asked = parse::find_good(request.into_inner(), self.desk.shard())?;
        let nearest = self.desk.goods_here(&asked.scope, &asked.bank, &asked.signals);
        Ok(Response::new(good::write_goods(nearest)))
    }

    async fn count_entries(
        &self,
        request: Request<v1::CountEntriesRequest>,
    ) -> Result<Response<v1::CountEntriesResponse>, Status> {
        let scope = parse::count_entries(request.get_ref(), self.desk.shard())?;
        let counted = self.desk.counted_here(&scope);
        let banks = counted.iter().map(|(bank, counted)| shard::write_bank(bank, counted));
        Ok(Response::new(v1::CountEntriesResponse { banks: banks.collect() }))
    }
}
