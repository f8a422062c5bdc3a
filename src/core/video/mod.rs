//! Video: whether one video is another, or lies in it, judged by hashes of frames that somebody else took.
//!
//! Nothing is decoded here. [`vpdq`] reads, writes and compares as the published tools do; [`contain`] is the product's
//! own rule, which finds a listed video in an upload however much else the upload shows; [`tmk`] compares signatures of
//! whole videos. Hashes, their quality and TMK follow `facebook/ThreatExchange` (`vpdq`, `tmk`).

pub mod track;
pub mod vpdq;
pub mod contain;
pub mod alike;
pub mod tmk;
#[cfg(test)]
mod tests;
