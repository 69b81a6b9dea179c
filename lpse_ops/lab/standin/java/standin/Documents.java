package standin;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The document tree: attachments.path/yyyy/mm/dd/xx/NAME.rhs, where xx are the first two digits of the name. What is being
 * received lies in attachments.path/.upload/ and moves into place, whole and synced, in one rename.
 */
final class Documents {
    private static final String UPLOADS = ".upload";
    private final Path root;
    private final long limit;
    private final Set<Path> durable = ConcurrentHashMap.newKeySet();

    /** A received file that is synced but not yet in its place. */
    static final class Upload {
        final Path file;
        final long size;
        final String sha256;

        Upload(Path file, long size, String sha256) {
            this.file = file;
            this.size = size;
            this.sha256 = sha256;
        }
    }

    Documents(Conf conf) throws Refusal {
        root = Path.of(conf.text("attachments.path"));
        limit = conf.number("standin.max_upload_bytes", 800_000_000);
        if (!Files.isDirectory(root)) {
            // Never created here: a missing tree is a missing mount or a wrong path, and must stay visible.
            Log.error("attachments.path is not a folder: " + root);
            return;
        }
        try (DirectoryStream<Path> left = Files.newDirectoryStream(root.resolve(UPLOADS))) {
            for (Path file : left) {
                Files.delete(file);
            }
        } catch (NoSuchFileException e) {
            Log.info("No unfinished uploads in " + root);
        } catch (IOException e) {
            Log.warn("Unfinished uploads could not be removed: " + e);
        }
    }

    /** Where the document of an offer lies, relative to attachments.path; day is yyyy/mm/dd. */
    static String place(String day, UUID key) {
        return day + "/" + key.toString().substring(0, 2) + "/" + key + ".rhs";
    }

    OutputSink sink() throws IOException {
        Path folder = root.resolve(UPLOADS);
        makeDurable(folder);
        return new OutputSink(folder.resolve("." + UUID.randomUUID()), limit);
    }

    /** Moves an upload into its place and syncs the folder. Returns whether a file was there before (an earlier try's). */
    boolean keep(Upload upload, String place) throws IOException {
        Path target = root.resolve(place);
        makeDurable(target.getParent());
        boolean existed = Files.exists(target);
        try {
            Files.move(upload.file, target, StandardCopyOption.ATOMIC_MOVE);
            sync(target.getParent());
        } catch (IOException e) {
            durable.clear();
            throw e;
        }
        return existed;
    }

    boolean has(String place) {
        return Files.exists(root.resolve(place));
    }

    void remove(String place) throws IOException {
        Files.deleteIfExists(root.resolve(place));
    }

    InputStream read(String place) throws IOException {
        Path file = root.resolve(place).normalize();
        if (!file.startsWith(root)) {
            throw new IOException("Path leaves the document tree: " + place);
        }
        return Files.newInputStream(file);
    }

    String sha256(String place) throws IOException {
        MessageDigest digest = Hashes.digest("SHA-256");
        byte[] buffer = new byte[1 << 16];
        try (InputStream in = read(place)) {
            for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
                digest.update(buffer, 0, n);
            }
        }
        return Hashes.hex(digest.digest());
    }

    /** Every folder that this process uses is synced once into its parent, even one that an earlier process made. */
    private void makeDurable(Path folder) throws IOException {
        if (folder.equals(root) || durable.contains(folder)) {
            return;
        }
        synchronized (this) {
            makeDurable(folder.getParent());
            try {
                Files.createDirectory(folder);
            } catch (FileAlreadyExistsException e) {
                if (!Files.isDirectory(folder)) {
                    throw e;
                }
            }
            sync(folder.getParent());
            durable.add(folder);
        }
    }

    private static void sync(Path folder) throws IOException {
        try (FileChannel channel = FileChannel.open(folder, StandardOpenOption.READ)) {
            channel.force(true);
        }
    }

    /** Writes an upload to disk and works out its hash on the way. Closed without finish(), it leaves nothing. */
    static final class OutputSink extends OutputStream {
        private final Path file;
        private final long limit;
        private final FileChannel channel;
        private final MessageDigest digest = Hashes.digest("SHA-256");
        private long size;
        private boolean finished;

        OutputSink(Path file, long limit) throws IOException {
            this.file = file;
            this.limit = limit;
            channel = FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
        }

        @Override
        public void write(int b) throws IOException {
            write(new byte[] {(byte) b}, 0, 1);
        }

        @Override
        public void write(byte[] bytes, int from, int count) throws IOException {
            size += count;
            if (size > limit) {
                throw new TooLarge();
            }
            digest.update(bytes, from, count);
            ByteBuffer buffer = ByteBuffer.wrap(bytes, from, count);
            while (buffer.hasRemaining()) {
                channel.write(buffer);
            }
        }

        /** The hash of what was written; ends the writing. */
        String sha256() {
            return Hashes.hex(digest.digest());
        }

        Upload finish() throws IOException {
            channel.force(true);
            finished = true;
            return new Upload(file, size, sha256());
        }

        @Override
        public void close() throws IOException {
            channel.close();
            if (!finished) {
                Files.deleteIfExists(file);
            }
        }
    }

    /** The body is larger than standin.max_upload_bytes. */
    static final class TooLarge extends IOException {
        private static final long serialVersionUID = 1L;
    }
}
