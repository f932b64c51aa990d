//! Whether joined parts are what their receipts say.

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use md5::Digest as _;
use repo_core::Result;

use crate::digest::Md5;
use crate::parts::PartReceipt;
use crate::store::ByteStream;

/// Compares bytes that come one after another with the receipts of their parts.
struct PartCheck {
    receipts: std::vec::IntoIter<PartReceipt>,
    current: Option<PartReceipt>,
    left: u64,
    md5: md5::Md5,
}

impl PartCheck {
    fn new(receipts: Vec<PartReceipt>) -> Self {
        let mut check = Self {
            receipts: receipts.into_iter(),
            current: None,
            left: 0,
            md5: md5::Md5::default(),
        };
        check.begin_next();
        check
    }

    fn begin_next(&mut self) {
        self.current = self.receipts.next();
        self.left = self.current.as_ref().map_or(0, |receipt| receipt.size);
    }

    /// Ends all parts that are complete. The last one stays open until the end.
    fn end_complete(&mut self) -> Result<()> {
        while self.left == 0
            && let Some(receipt) = self.current.as_ref()
        {
            let found: [u8; 16] = std::mem::take(&mut self.md5).finalize().into();
            if Md5::from_bytes(found) != receipt.md5 {
                return Err(receipt.refused());
            }
            self.begin_next();
        }
        Ok(())
    }

    fn update(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            self.end_complete()?;
            // More than all parts have: the measure of the whole says so.
            if self.current.is_none() {
                return Ok(());
            }
            let taken = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
            let (part, rest) = bytes.split_at(taken);
            self.md5.update(part);
            self.left -= taken as u64;
            bytes = rest;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        self.end_complete()?;
        self.current.map_or(Ok(()), |receipt| Err(receipt.refused()))
    }
}

/// The same bytes, and `Invalid` where a part is not what its receipt says.
pub(crate) fn checked(bytes: ByteStream<'_>, receipts: Vec<PartReceipt>) -> ByteStream<'_> {
    let begin = Some((bytes, PartCheck::new(receipts)));
    let checked = stream::unfold(begin, |state| async move {
        let (mut bytes, mut check) = state?;
        let end = |error| Some((Err(error), None));
        match bytes.next().await {
            Some(Ok(next)) => match check.update(&next) {
                Ok(()) => Some((Ok(next), Some((bytes, check)))),
                Err(error) => end(error),
            },
            Some(Err(error)) => end(error),
            // An empty item tells nothing new, and ends the stream after it.
            None => match check.finish() {
                Ok(()) => Some((Ok(Bytes::new()), None)),
                Err(error) => end(error),
            },
        }
    });
    checked.boxed()
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt as _;

    use super::*;
    use crate::digest::BlobDigest;
    use crate::parts::PartNumber;

    fn receipts(parts: &[&str]) -> Vec<PartReceipt> {
        let receipt = |(number, part): (u16, &&str)| {
            let digest = BlobDigest::of(part.as_bytes());
            let number = PartNumber::new(number).unwrap();
            PartReceipt { number, size: digest.size, md5: digest.md5, tag: String::new() }
        };
        (1..).zip(parts).map(receipt).collect()
    }

    async fn refused(chunks: &[&'static str], parts: &[&str]) -> Option<String> {
        let chunks: Vec<_> =
            chunks.iter().map(|text| Ok(Bytes::from_static(text.as_bytes()))).collect();
        let read = checked(stream::iter(chunks).boxed(), receipts(parts)).try_collect::<Vec<_>>();
        read.await.err().map(|error| error.context_value("part").unwrap().to_owned())
    }

    #[tokio::test]
    async fn each_part_is_compared() {
        assert_eq!(refused(&["abc", "de", "f"], &["ab", "", "cdef"]).await, None);
        assert_eq!(refused(&[], &[""]).await, None);
        assert_eq!(refused(&["abcdef"], &["ab", "cxef"]).await, Some("2".to_owned()));
        assert_eq!(refused(&["abcdef"], &["xb", "cdef"]).await, Some("1".to_owned()));
        assert_eq!(refused(&["abcde"], &["ab", "cdef"]).await, Some("2".to_owned()));
        assert_eq!(refused(&["ab"], &["ab", "c"]).await, Some("2".to_owned()));
    }
}
