package standin;

import java.util.List;

/** The HTML that visitors read: layout, versioned footer, error page. */
final class Pages {
    static final String VERSION = "SPSE v4.3u20191009";
    private final String context;

    Pages(String context) {
        this.context = context;
    }

    String home() {
        return layout("Beranda", "<p>Layanan Pengadaan Secara Elektronik</p><p><a href=\"" + context
                + "/lelang\">Cari Paket</a></p>");
    }

    String tenders(List<Tenders.Tender> tenders) {
        StringBuilder rows = new StringBuilder("<table><tr><th>Kode</th><th>Nama Paket</th><th>Pagu</th><th>Tahap</th></tr>");
        for (Tenders.Tender tender : tenders) {
            rows.append("<tr data-lls=\"").append(tender.id()).append("\" data-akt=\"").append(escape(tender.stage()))
                    .append("\"><td>").append(tender.id()).append("</td><td><a href=\"").append(link(tender.id(), "pengumumanlelang"))
                    .append("\">").append(escape(tender.name())).append("</a></td><td>").append(escape(tender.budget()))
                    .append("</td><td><a href=\"").append(link(tender.id(), "jadwal")).append("\">")
                    .append(stage(tender)).append("</a></td></tr>");
        }
        return layout("Cari Paket", rows.append("</table>").toString());
    }

    String announcement(Tenders.Tender tender) {
        return layout("Pengumuman", "<table><tr><th>Kode Tender</th><td>" + tender.id() + "</td></tr><tr><th>Nama Tender</th><td>"
                + escape(tender.name()) + "</td></tr><tr><th>Pagu</th><td>" + escape(tender.budget())
                + "</td></tr><tr><th>Panitia</th><td>" + escape(tender.committee()) + "</td></tr><tr><th>Tahap Saat Ini</th><td>"
                + stage(tender) + "</td></tr></table>");
    }

    String calendar(Tenders.Tender tender, List<Tenders.Stage> stages) {
        StringBuilder rows = new StringBuilder("<h2>").append(escape(tender.name()))
                .append("</h2><table><tr><th>Tahap</th><th>Aktivitas</th><th>Mulai</th><th>Sampai</th><th></th></tr>");
        for (Tenders.Stage stage : stages) {
            rows.append("<tr data-akt=\"").append(escape(stage.activity())).append("\"><td>").append(escape(stage.name()))
                    .append("</td><td>").append(escape(stage.activity())).append("</td><td>").append(stage.begins())
                    .append("</td><td>").append(stage.ends()).append("</td><td>")
                    .append(stage.running() ? "sedang berlangsung" : "").append("</td></tr>");
        }
        return layout("Jadwal", rows.append("</table>").toString());
    }

    String problem(String message) {
        return layout("Perhatian", "<div class=\"error\"><p>" + escape(message) + "</p></div>");
    }

    String error(String code) {
        return layout("Error", "<div class=\"error\"><h2>Maaf, terjadi error pada aplikasi SPSE</h2><p>Kode Error : " + escape(code)
                + "</p></div>");
    }

    private String link(long tender, String page) {
        return context + "/lelang/" + tender + "/" + page;
    }

    private static String stage(Tenders.Tender tender) {
        return tender.stage().isEmpty() ? "Tidak ada tahap" : escape(tender.stage());
    }

    private String layout(String title, String body) {
        return "<!DOCTYPE html>\n<html lang=\"id\"><head><meta charset=\"utf-8\"><title>LPSE - " + title
                + "</title><link rel=\"stylesheet\" href=\"" + context + "/public/stylesheets/spse.css\"></head><body><header><h1>"
                + title + "</h1></header>\n" + body + "\n<footer>" + VERSION + "</footer></body></html>\n";
    }

    private static String escape(String text) {
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\"", "&quot;");
    }
}
