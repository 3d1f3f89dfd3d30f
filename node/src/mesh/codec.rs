//! One question, one answer, on one stream: four bytes of length, big-endian, then the bytes.
//!
//! Invariants: no more than [`FRAME_MAX`] bytes are ever read or announced; memory grows with what
//! arrives and not with what is announced; the other side's half-close is not waited for. What the
//! bytes say is not this module's business. Called by libp2p's request-response.

use std::io;

use bytes::Bytes;
use cbm_proto::limits::FRAME_MAX;
use libp2p::{
    StreamProtocol,
    futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    request_response,
};

/// The codec; it has no state.
#[derive(Clone, Debug, Default)]
pub(super) struct Frames;

/// Reads one frame: what the other side wrote, without its length.
///
/// # Errors
/// More than [`FRAME_MAX`] bytes are announced, fewer come than were announced, or the stream fails.
pub async fn read<T: AsyncRead + Unpin + Send>(io: &mut T) -> io::Result<Bytes> {
    let mut head = [0; 4];
    io.read_exact(&mut head).await?;
    let length = u32::from_be_bytes(head);
    if length as usize > FRAME_MAX {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("a frame of {length} bytes was announced, at most {FRAME_MAX} are read"),
        ));
    }
    let mut bytes = Vec::new();
    let read = io.take(u64::from(length)).read_to_end(&mut bytes).await?;
    if read != length as usize {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Bytes::from(bytes))
}

async fn write<T: AsyncWrite + Unpin + Send>(io: &mut T, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).ok().filter(|n| *n as usize <= FRAME_MAX);
    let Some(length) = length else {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("a frame of {} bytes is not sent, at most {FRAME_MAX} are", bytes.len()),
        ));
    };
    io.write_all(&length.to_be_bytes()).await?;
    io.write_all(bytes).await?;
    io.close().await
}

impl request_response::Codec for Frames {
    type Protocol = StreamProtocol;
    type Request = Bytes;
    type Response = Bytes;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Bytes>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io).await
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Bytes>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io).await
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Bytes,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &bytes).await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Bytes,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &bytes).await
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use libp2p::futures::io::Cursor;

    use super::*;

    #[tokio::test]
    async fn a_frame_reads_back_and_the_largest_does() {
        for length in [0, 1, FRAME_MAX] {
            let mut wire = Cursor::new(Vec::new());
            write(&mut wire, &vec![7; length]).await.unwrap();
            wire.set_position(0);
            assert_eq!(read(&mut wire).await.unwrap().len(), length);
        }
    }

    #[tokio::test]
    async fn too_long_is_refused_by_both_sides_and_short_is_an_error() {
        let mut announced = (FRAME_MAX as u32 + 1).to_be_bytes().to_vec();
        announced.extend([0; 64]);
        let error = read(&mut Cursor::new(announced)).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        let mut wire = Cursor::new(Vec::new());
        assert!(write(&mut wire, &vec![0; FRAME_MAX + 1]).await.is_err());
        assert!(wire.get_ref().is_empty(), "nothing may be written of it");
        let error = read(&mut Cursor::new(vec![0, 0, 0, 9, 1])).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
