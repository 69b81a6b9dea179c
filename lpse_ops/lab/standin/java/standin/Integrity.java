package standin;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** conf/integrity: the MD5 of every file of the application but application.conf. One differing file stops the start. */
final class Integrity {
    final int files;
    final String checksum;

    private Integrity(int files, String checksum) {
        this.files = files;
        this.checksum = checksum;
    }

    static Integrity check(Path folder) throws Refusal {
        Path manifest = folder.resolve("conf/integrity");
        List<String> faults = new ArrayList<>();
        int files = 0;
        try {
            for (String line : Files.readAllLines(manifest)) {
                int gap = line.indexOf("  ");
                if (gap < 0) {
                    throw new Refusal("conf/integrity holds a malformed line: " + line);
                }
                files++;
                String name = line.substring(gap + 2);
                Path file = folder.resolve(name);
                if (!Files.isRegularFile(file)) {
                    faults.add(name + " is missing");
                } else if (!Hashes.hex("MD5", Files.readAllBytes(file)).equals(line.substring(0, gap))) {
                    faults.add(name + " differs");
                }
            }
            if (!faults.isEmpty()) {
                throw new Refusal("Integrity of the application is violated: " + String.join(", ", faults));
            }
            return new Integrity(files, Hashes.hex("MD5", Files.readAllBytes(manifest)));
        } catch (IOException e) {
            throw new Refusal("conf/integrity cannot be checked: " + e);
        }
    }
}
