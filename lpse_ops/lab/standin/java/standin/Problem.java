package standin;

/** An answer that is not 200 and no fault of the server: the visitor reads the message. */
final class Problem extends Exception {
    private static final long serialVersionUID = 1L;
    final int status;

    Problem(int status, String message) {
        super(message);
        this.status = status;
    }

    static Problem notFound() {
        return new Problem(404, "Halaman tidak ditemukan");
    }
}
