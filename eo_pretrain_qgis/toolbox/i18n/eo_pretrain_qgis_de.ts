<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="de" sourcelanguage="en">
<context>
    <name>EOPretrain</name>
    <message>
        <source>0 Start here</source>
        <translation>0 Hier beginnen</translation>
    </message>
    <message>
        <source>1 Prepare data</source>
        <translation>1 Daten vorbereiten</translation>
    </message>
    <message>
        <source>2 Pretrain</source>
        <translation>2 Vortrainieren</translation>
    </message>
    <message>
        <source>3 Train</source>
        <translation>3 Trainieren</translation>
    </message>
    <message>
        <source>4 Map</source>
        <translation>4 Karten</translation>
    </message>
    <message>
        <source>5 Assess</source>
        <translation>5 Beurteilen</translation>
    </message>
    <message>
        <source>Install the engine</source>
        <translation>Engine installieren</translation>
    </message>
    <message>
        <source>What for</source>
        <translation>Wofür</translation>
    </message>
    <message>
        <source>Make maps (0.3 GB to download, 1.1 GB on disk)</source>
        <translation>Karten erstellen (0,3 GB Download, 1,1 GB auf der Festplatte)</translation>
    </message>
    <message>
        <source>Make maps with an NVIDIA GPU (1.9 GB to download, 3.5 GB on disk)</source>
        <translation>Karten mit einer NVIDIA-GPU erstellen (1,9 GB Download, 3,5 GB auf der Festplatte)</translation>
    </message>
    <message>
        <source>Train and make maps (up to 3.6 GB to download, 7.3 GB on disk)</source>
        <translation>Trainieren und Karten erstellen (bis zu 3,6 GB Download, 7,3 GB auf der Festplatte)</translation>
    </message>
    <message>
        <source>Take the packages from</source>
        <translation>Herkunft der Pakete</translation>
    </message>
    <message>
        <source>The Python package index (needs a network)</source>
        <translation>Python-Paketindex (braucht Internet)</translation>
    </message>
    <message>
        <source>A folder of wheels (needs no network)</source>
        <translation>Ordner mit Wheels (braucht kein Internet)</translation>
    </message>
    <message>
        <source>Nowhere: use a Python that already has them</source>
        <translation>Keine: ein Python nutzen, das sie schon hat</translation>
    </message>
    <message>
        <source>Folder of wheels</source>
        <translation>Ordner mit Wheels</translation>
    </message>
    <message>
        <source>Existing Python</source>
        <translation>Vorhandenes Python</translation>
    </message>
    <message>
        <source>Where to build</source>
        <translation>Zielordner der Engine</translation>
    </message>
    <message>
        <source>Path of the engine's Python</source>
        <translation>Pfad zum Python der Engine</translation>
    </message>
    <message>
        <source>Kind of engine: predict, predict_gpu or train</source>
        <translation>Art der Engine: predict, predict_gpu oder train</translation>
    </message>
    <message>
        <source>Duration of the installation, in seconds</source>
        <translation>Dauer der Installation, in Sekunden</translation>
    </message>
    <message>
        <source>Check the engine</source>
        <translation>Engine prüfen</translation>
    </message>
    <message>
        <source>Device to check</source>
        <translation>Zu prüfendes Gerät</translation>
    </message>
    <message>
        <source>Python to check</source>
        <translation>Zu prüfendes Python</translation>
    </message>
    <message>
        <source>Report</source>
        <translation>Bericht</translation>
    </message>
    <message>
        <source>Facts as JSON</source>
        <translation>Angaben als JSON</translation>
    </message>
    <message>
        <source>Whether nothing stands in the way of training and mapping</source>
        <translation>Ob Training und Kartierung nichts im Wege steht</translation>
    </message>
    <message>
        <source>Device on which a test network ran, or “none”</source>
        <translation>Gerät, auf dem ein Testnetz lief, oder „none“</translation>
    </message>
    <message>
        <source>Problems that were found</source>
        <translation>Gefundene Probleme</translation>
    </message>
    <message>
        <source>Create sample landscape</source>
        <translation>Beispiellandschaft erstellen</translation>
    </message>
    <message>
        <source>Size [px]</source>
        <translation>Größe [px]</translation>
    </message>
    <message>
        <source>Seed</source>
        <translation>Startwert (Seed)</translation>
    </message>
    <message>
        <source>Sample folder</source>
        <translation>Beispielordner</translation>
    </message>
    <message>
        <source>Land-cover map of 100 m</source>
        <translation>Landbedeckungskarte mit 100 m</translation>
    </message>
    <message>
        <source>True land cover</source>
        <translation>Wahre Landbedeckung</translation>
    </message>
    <message>
        <source>Sentinel-1</source>
        <translation>Sentinel-1</translation>
    </message>
    <message>
        <source>Sentinel-2</source>
        <translation>Sentinel-2</translation>
    </message>
    <message>
        <source>Parcels with crops</source>
        <translation>Parzellen mit Kulturen</translation>
    </message>
    <message>
        <source>Roads of an incomplete map</source>
        <translation>Straßen einer unvollständigen Karte</translation>
    </message>
    <message>
        <source>Polygons to train from</source>
        <translation>Polygone zum Trainieren</translation>
    </message>
    <message>
        <source>Folder with the images of a growing season</source>
        <translation>Ordner mit den Bildern einer Vegetationsperiode</translation>
    </message>
    <message>
        <source>Remove the engine</source>
        <translation>Engine entfernen</translation>
    </message>
    <message>
        <source>What to remove</source>
        <translation>Was entfernt wird</translation>
    </message>
    <message>
        <source>Engines of earlier versions</source>
        <translation>Engines früherer Versionen</translation>
    </message>
    <message>
        <source>Make maps</source>
        <translation>Karten erstellen</translation>
    </message>
    <message>
        <source>Make maps with an NVIDIA GPU</source>
        <translation>Karten mit einer NVIDIA-GPU erstellen</translation>
    </message>
    <message>
        <source>Train and make maps</source>
        <translation>Trainieren und Karten erstellen</translation>
    </message>
    <message>
        <source>All engines</source>
        <translation>Alle Engines</translation>
    </message>
    <message>
        <source>Also the downloads</source>
        <translation>Auch die Downloads</translation>
    </message>
    <message>
        <source>Only engines in</source>
        <translation>Nur Engines in</translation>
    </message>
    <message>
        <source>Engines that were removed</source>
        <translation>Engines, die entfernt wurden</translation>
    </message>
    <message>
        <source>Disk space that was freed, in GB (billions of bytes)</source>
        <translation>Frei gewordener Speicherplatz in GB (Milliarden Byte)</translation>
    </message>
    <message>
        <source>Find scenes</source>
        <translation>Szenen suchen</translation>
    </message>
    <message>
        <source>Area</source>
        <translation>Gebiet</translation>
    </message>
    <message>
        <source>Area as polygons</source>
        <translation>Gebiet als Polygone</translation>
    </message>
    <message>
        <source>First day</source>
        <translation>Erster Tag</translation>
    </message>
    <message>
        <source>Last day</source>
        <translation>Letzter Tag</translation>
    </message>
    <message>
        <source>Scenes of</source>
        <translation>Szenen von</translation>
    </message>
    <message>
        <source>Sentinel-2 L2A (optical)</source>
        <translation>Sentinel-2 L2A (optisch)</translation>
    </message>
    <message>
        <source>Sentinel-1 GRD (radar)</source>
        <translation>Sentinel-1 GRD (Radar)</translation>
    </message>
    <message>
        <source>Most clouds [%]</source>
        <translation>Höchste Bewölkung [%]</translation>
    </message>
    <message>
        <source>Months</source>
        <translation>Monate</translation>
    </message>
    <message>
        <source>File of STAC items</source>
        <translation>Datei mit STAC-Einträgen</translation>
    </message>
    <message>
        <source>STAC API</source>
        <translation>STAC-API</translation>
    </message>
    <message>
        <source>Collection</source>
        <translation>Sammlung</translation>
    </message>
    <message>
        <source>Radar scene</source>
        <translation>Radarszene</translation>
    </message>
    <message>
        <source>Longest time to the radar scene [h]</source>
        <translation>Größter Zeitabstand zur Radarszene [h]</translation>
    </message>
    <message>
        <source>Look at clouds</source>
        <translation>Bewölkung prüfen</translation>
    </message>
    <message>
        <source>Scenes at random</source>
        <translation>Zufällige Szenen</translation>
    </message>
    <message>
        <source>Size around a place [m]</source>
        <translation>Größe des Ausschnitts um einen Ort [m]</translation>
    </message>
    <message>
        <source>Least overlap</source>
        <translation>Mindestüberlappung</translation>
    </message>
    <message>
        <source>Most scenes</source>
        <translation>Höchstzahl der Szenen</translation>
    </message>
    <message>
        <source>Bands</source>
        <translation>Kanäle</translation>
    </message>
    <message>
        <source>Coordinate system</source>
        <translation>Koordinatensystem</translation>
    </message>
    <message>
        <source>Pixel size</source>
        <translation>Pixelgröße</translation>
    </message>
    <message>
        <source>Footprints</source>
        <translation>Umrisse</translation>
    </message>
    <message>
        <source>Items</source>
        <translation>Einträge</translation>
    </message>
    <message>
        <source>Folder of images</source>
        <translation>Bilderordner</translation>
    </message>
    <message>
        <source>Scenes that were found</source>
        <translation>Gefundene Szenen</translation>
    </message>
    <message>
        <source>Days they are of</source>
        <translation>Aufnahmetage</translation>
    </message>
    <message>
        <source>Images that were loaded</source>
        <translation>Geladene Bilder</translation>
    </message>
    <message>
        <source>Share of the area, or of the radar scene, that they show together, 0 to 1</source>
        <translation>Anteil des Gebiets oder der Radarszene, den sie zusammen zeigen, 0 bis 1</translation>
    </message>
    <message>
        <source>Mask clouds</source>
        <translation>Wolken maskieren</translation>
    </message>
    <message>
        <source>Image</source>
        <translation>Bild</translation>
    </message>
    <message>
        <source>Clouds are known from</source>
        <translation>Wolkeninformation</translation>
    </message>
    <message>
        <source>Automatic: the best that is here</source>
        <translation>Automatisch: das Beste, was vorhanden ist</translation>
    </message>
    <message>
        <source>Model: OmniCloudMask, or your model file</source>
        <translation>Modell: OmniCloudMask oder Ihre Modelldatei</translation>
    </message>
    <message>
        <source>Sentinel-2 scene classification (SCL)</source>
        <translation>Szenenklassifikation von Sentinel-2 (SCL)</translation>
    </message>
    <message>
        <source>Landsat quality band (QA_PIXEL)</source>
        <translation>Qualitätskanal von Landsat (QA_PIXEL)</translation>
    </message>
    <message>
        <source>Classification</source>
        <translation>Klassifikation</translation>
    </message>
    <message>
        <source>Model</source>
        <translation>Modell</translation>
    </message>
    <message>
        <source>Grow by [m]</source>
        <translation>Maske erweitern um [m]</translation>
    </message>
    <message>
        <source>Sensor</source>
        <translation>Sensor</translation>
    </message>
    <message>
        <source>Same as the images the model learned from</source>
        <translation>Wie die Bilder, mit denen das Modell trainiert wurde</translation>
    </message>
    <message>
        <source>Generic: values as they are stored</source>
        <translation>Allgemein: Werte, wie sie gespeichert sind</translation>
    </message>
    <message>
        <source>Sentinel-2 L1C without offset (until January 2022)</source>
        <translation>Sentinel-2 L1C ohne Offset (bis Januar 2022)</translation>
    </message>
    <message>
        <source>Sentinel-2 L1C with offset -1000 (since January 2022)</source>
        <translation>Sentinel-2 L1C mit Offset -1000 (seit Januar 2022)</translation>
    </message>
    <message>
        <source>Sentinel-2 L2A without offset (until January 2022)</source>
        <translation>Sentinel-2 L2A ohne Offset (bis Januar 2022)</translation>
    </message>
    <message>
        <source>Sentinel-2 L2A with offset -1000 (since January 2022)</source>
        <translation>Sentinel-2 L2A mit Offset -1000 (seit Januar 2022)</translation>
    </message>
    <message>
        <source>Sentinel-1 in dB</source>
        <translation>Sentinel-1 in dB</translation>
    </message>
    <message>
        <source>Sentinel-1, linear</source>
        <translation>Sentinel-1, linear</translation>
    </message>
    <message>
        <source>Landsat 8 and 9, Level 2</source>
        <translation>Landsat 8 und 9, Level 2</translation>
    </message>
    <message>
        <source>Landsat 4, 5 and 7, Level 2</source>
        <translation>Landsat 4, 5 und 7, Level 2</translation>
    </message>
    <message>
        <source>Sentinel-3 OLCI</source>
        <translation>Sentinel-3 OLCI</translation>
    </message>
    <message>
        <source>Any radar in dB</source>
        <translation>Beliebiges Radar in dB</translation>
    </message>
    <message>
        <source>Any radar, linear</source>
        <translation>Beliebiges Radar, linear</translation>
    </message>
    <message>
        <source>AlphaEarth embeddings, version 1</source>
        <translation>AlphaEarth-Embeddings, Version 1</translation>
    </message>
    <message>
        <source>TESSERA embeddings, version 1</source>
        <translation>TESSERA-Embeddings, Version 1</translation>
    </message>
    <message>
        <source>Nodata value</source>
        <translation>Nodata-Wert</translation>
    </message>
    <message>
        <source>Extent</source>
        <translation>Ausdehnung</translation>
    </message>
    <message>
        <source>Device</source>
        <translation>Gerät</translation>
    </message>
    <message>
        <source>Cloud mask</source>
        <translation>Wolkenmaske</translation>
    </message>
    <message>
        <source>Where the clouds are from: scl, qa_pixel, OmniCloudMask 4, or the name of a model</source>
        <translation>Herkunft der Wolkeninformation: scl, qa_pixel, OmniCloudMask 4 oder der Name eines Modells</translation>
    </message>
    <message>
        <source>Share of the measured pixels that are cloud, 0 to 1</source>
        <translation>Anteil der gemessenen Pixel unter Wolken, 0 bis 1</translation>
    </message>
    <message>
        <source>Share of the measured pixels that are shadow of clouds, 0 to 1</source>
        <translation>Anteil der gemessenen Pixel im Wolkenschatten, 0 bis 1</translation>
    </message>
    <message>
        <source>Share of the measured pixels that are snow, 0 to 1; 0 where the source does not tell it</source>
        <translation>Anteil der gemessenen Pixel mit Schnee, 0 bis 1; 0, wo die Quelle es nicht angibt</translation>
    </message>
    <message>
        <source>Share of the measured pixels that are clear, 0 to 1</source>
        <translation>Anteil der gemessenen Pixel, die wolkenfrei sind, 0 bis 1</translation>
    </message>
    <message>
        <source>Share of the pixels that were measured, 0 to 1</source>
        <translation>Anteil der Pixel, die gemessen wurden, 0 bis 1</translation>
    </message>
    <message>
        <source>Create training dataset</source>
        <translation>Trainingsdatensatz erstellen</translation>
    </message>
    <message>
        <source>Images</source>
        <translation>Bilder</translation>
    </message>
    <message>
        <source>The images are</source>
        <translation>Die Bilder sind</translation>
    </message>
    <message>
        <source>Scenes: each raster has all its bands</source>
        <translation>Szenen: jedes Raster hat alle seine Kanäle</translation>
    </message>
    <message>
        <source>Bands of one scene: one raster for each</source>
        <translation>Kanäle einer Szene: für jeden ein Raster</translation>
    </message>
    <message>
        <source>Labels</source>
        <translation>Labels</translation>
    </message>
    <message>
        <source>Labels give a class to</source>
        <translation>Labels gelten für</translation>
    </message>
    <message>
        <source>Pixels: each has the class drawn there</source>
        <translation>Pixel: jedes hat die Klasse, die dort gezeichnet ist</translation>
    </message>
    <message>
        <source>Squares: a tile around each label has its class as a whole</source>
        <translation>Quadrate: die ganze Kachel um ein Label hat dessen Klasse</translation>
    </message>
    <message>
        <source>Class field</source>
        <translation>Feld mit der Klasse</translation>
    </message>
    <message>
        <source>Classes</source>
        <translation>Klassen</translation>
    </message>
    <message>
        <source>Pixels without a label are</source>
        <translation>Pixel ohne Label sind</translation>
    </message>
    <message>
        <source>Ignored: not used in training</source>
        <translation>Ignoriert: nicht im Training verwendet</translation>
    </message>
    <message>
        <source>Background: a class of its own</source>
        <translation>Hintergrund: eine eigene Klasse</translation>
    </message>
    <message>
        <source>Buffer around lines and points [m]</source>
        <translation>Puffer um Linien und Punkte [m]</translation>
    </message>
    <message>
        <source>None: all ground counts as clear</source>
        <translation>Keine: alles gilt als wolkenfrei</translation>
    </message>
    <message>
        <source>Flags: 0 clear, 1 cloud, 2 shadow, 3 snow</source>
        <translation>Codes: 0 wolkenfrei, 1 Wolke, 2 Schatten, 3 Schnee</translation>
    </message>
    <message>
        <source>Mask: 0 clear, any other value cloud</source>
        <translation>Maske: 0 wolkenfrei, jeder andere Wert Wolke</translation>
    </message>
    <message>
        <source>Cloud masks</source>
        <translation>Wolkenmasken</translation>
    </message>
    <message>
        <source>Tile size [px]</source>
        <translation>Kachelgröße [px]</translation>
    </message>
    <message>
        <source>Stride between tiles [px]</source>
        <translation>Schrittweite der Kacheln [px]</translation>
    </message>
    <message>
        <source>Minimum share of valid pixels</source>
        <translation>Mindestanteil gültiger Pixel</translation>
    </message>
    <message>
        <source>Minimum share of labelled pixels</source>
        <translation>Mindestanteil der Pixel mit Label</translation>
    </message>
    <message>
        <source>Share of validation blocks</source>
        <translation>Anteil der Validierungsblöcke</translation>
    </message>
    <message>
        <source>Share of test blocks</source>
        <translation>Anteil der Testblöcke</translation>
    </message>
    <message>
        <source>Block size for the split [px]</source>
        <translation>Blockgröße für die Aufteilung [px]</translation>
    </message>
    <message>
        <source>Add to dataset</source>
        <translation>Zu diesem Datensatz hinzufügen</translation>
    </message>
    <message>
        <source>Dataset folder</source>
        <translation>Datensatzordner</translation>
    </message>
    <message>
        <source>Footprints by split</source>
        <translation>Umrisse nach Aufteilung</translation>
    </message>
    <message>
        <source>Footprints of the tiles</source>
        <translation>Umrisse der Kacheln</translation>
    </message>
    <message>
        <source>Tiles in the dataset, with those dropped between the splits</source>
        <translation>Kacheln im Datensatz, einschließlich der zwischen den Teilen weggelassenen</translation>
    </message>
    <message>
        <source>Tiles for training</source>
        <translation>Kacheln zum Trainieren</translation>
    </message>
    <message>
        <source>Tiles for validation</source>
        <translation>Kacheln zum Validieren</translation>
    </message>
    <message>
        <source>Tiles for test</source>
        <translation>Kacheln zum Testen</translation>
    </message>
    <message>
        <source>Tiles that belong to no part, because they lie too near to another part or in a named subset</source>
        <translation>Kacheln, die zu keinem Teil gehören, weil sie einem anderen zu nahe oder in einer benannten Teilmenge liegen</translation>
    </message>
    <message>
        <source>With cloud masks: mean share of the pixels of a tile that cloud or shadow hides, 0 to 1</source>
        <translation>Mit Wolkenmasken: mittlerer Anteil der Pixel einer Kachel, den Wolke oder Schatten verdeckt, 0 bis 1</translation>
    </message>
    <message>
        <source>Fetch roads</source>
        <translation>Straßen herunterladen</translation>
    </message>
    <message>
        <source>Image or layer</source>
        <translation>Bild oder Layer</translation>
    </message>
    <message>
        <source>Server</source>
        <translation>Server</translation>
    </message>
    <message>
        <source>Roads of OpenStreetMap</source>
        <translation>Straßen von OpenStreetMap</translation>
    </message>
    <message>
        <source>Ways in the layer</source>
        <translation>Wege im Layer</translation>
    </message>
    <message>
        <source>Their length, in kilometres</source>
        <translation>Ihre Länge, in Kilometern</translation>
    </message>
    <message>
        <source>Time of OpenStreetMap's data</source>
        <translation>Stand der Daten von OpenStreetMap</translation>
    </message>
    <message>
        <source>Requests that the place needed</source>
        <translation>Anfragen, die für das Gebiet nötig waren</translation>
    </message>
    <message>
        <source>Create road dataset</source>
        <translation>Straßendatensatz erstellen</translation>
    </message>
    <message>
        <source>Roads</source>
        <translation>Straßen</translation>
    </message>
    <message>
        <source>Field with the road class</source>
        <translation>Feld mit der Straßenklasse</translation>
    </message>
    <message>
        <source>Field with the width</source>
        <translation>Feld mit der Breite</translation>
    </message>
    <message>
        <source>Service roads are</source>
        <translation>Erschließungswege sind</translation>
    </message>
    <message>
        <source>Ignored: neither road nor background</source>
        <translation>Ignoriert: weder Straße noch Hintergrund</translation>
    </message>
    <message>
        <source>Background</source>
        <translation>Hintergrund</translation>
    </message>
    <message>
        <source>Tracks are</source>
        <translation>Feld- und Waldwege sind</translation>
    </message>
    <message>
        <source>Footways, paths, cycleways and steps are</source>
        <translation>Fußwege, Pfade, Radwege und Treppen sind</translation>
    </message>
    <message>
        <source>Widths by class</source>
        <translation>Breiten je Klasse</translation>
    </message>
    <message>
        <source>Width of other roads [m]</source>
        <translation>Breite der übrigen Straßen [m]</translation>
    </message>
    <message>
        <source>A pixel is road where</source>
        <translation>Ein Pixel ist Straße, wenn</translation>
    </message>
    <message>
        <source>A road touches it</source>
        <translation>eine Straße es berührt</translation>
    </message>
    <message>
        <source>A road covers enough of it</source>
        <translation>eine Straße genug davon bedeckt</translation>
    </message>
    <message>
        <source>Share of a pixel that makes it road</source>
        <translation>Anteil eines Pixels, der es zur Straße macht</translation>
    </message>
    <message>
        <source>Zone around roads that is ignored [m]</source>
        <translation>Zone um Straßen, die ignoriert wird [m]</translation>
    </message>
    <message>
        <source>Where roads seem to be missing</source>
        <translation>Wo Straßen zu fehlen scheinen</translation>
    </message>
    <message>
        <source>The tile counts less in training</source>
        <translation>Die Kachel zählt im Training weniger</translation>
    </message>
    <message>
        <source>The tile is not cut</source>
        <translation>Die Kachel wird weggelassen</translation>
    </message>
    <message>
        <source>The tile counts in full</source>
        <translation>Die Kachel zählt voll</translation>
    </message>
    <message>
        <source>Built-up ground</source>
        <translation>Bebaute Fläche</translation>
    </message>
    <message>
        <source>Values of built-up ground</source>
        <translation>Werte der bebauten Fläche</translation>
    </message>
    <message>
        <source>Least length of roads for built-up ground [km/km²]</source>
        <translation>Mindestlänge der Straßen in bebauter Fläche [km/km²]</translation>
    </message>
    <message>
        <source>Share of built-up ground from which on a tile is judged</source>
        <translation>Anteil bebauter Fläche, ab dem eine Kachel beurteilt wird</translation>
    </message>
    <message>
        <source>Finer grid</source>
        <translation>Feineres Gitter</translation>
    </message>
    <message>
        <source>1: pixels of the image</source>
        <translation>1: Pixel des Bildes</translation>
    </message>
    <message>
        <source>2: pixels of half the edge</source>
        <translation>2: Pixel halber Kantenlänge</translation>
    </message>
    <message>
        <source>4: pixels of a quarter of the edge</source>
        <translation>4: Pixel von einem Viertel der Kantenlänge</translation>
    </message>
    <message>
        <source>Ways left out of the training labels [%]</source>
        <translation>Aus den Trainings-Labels weggelassene Wege [%]</translation>
    </message>
    <message>
        <source>Ways and what became of them</source>
        <translation>Wege und was aus ihnen wurde</translation>
    </message>
    <message>
        <source>Roads that were drawn</source>
        <translation>Gezeichnete Straßen</translation>
    </message>
    <message>
        <source>Length of the roads that were drawn, in kilometres</source>
        <translation>Länge der gezeichneten Straßen, in Kilometern</translation>
    </message>
    <message>
        <source>Ways left out because they are tunnels or covered</source>
        <translation>Wege, die als Tunnel oder überdeckt weggelassen wurden</translation>
    </message>
    <message>
        <source>Create land cover dataset</source>
        <translation>Landbedeckungsdatensatz erstellen</translation>
    </message>
    <message>
        <source>Images of a second sensor</source>
        <translation>Bilder eines zweiten Sensors</translation>
    </message>
    <message>
        <source>The images of the second sensor are</source>
        <translation>Die Bilder des zweiten Sensors sind</translation>
    </message>
    <message>
        <source>Second sensor</source>
        <translation>Zweiter Sensor</translation>
    </message>
    <message>
        <source>Bands of the second sensor</source>
        <translation>Kanäle des zweiten Sensors</translation>
    </message>
    <message>
        <source>Most days between the two sensors</source>
        <translation>Höchstzahl der Tage zwischen den beiden Sensoren</translation>
    </message>
    <message>
        <source>Keep ground that one sensor alone measured</source>
        <translation>Flächen behalten, die nur ein Sensor gemessen hat</translation>
    </message>
    <message>
        <source>Land-cover map</source>
        <translation>Landbedeckungskarte</translation>
    </message>
    <message>
        <source>Legend</source>
        <translation>Legende</translation>
    </message>
    <message>
        <source>The map's own: its symbology, names or values</source>
        <translation>Die der Karte selbst: Symbolisierung, Namen oder Werte</translation>
    </message>
    <message>
        <source>Copernicus Global Land Cover (CGLS-LC100)</source>
        <translation>Copernicus Global Land Cover (CGLS-LC100)</translation>
    </message>
    <message>
        <source>CORINE Land Cover: codes 1 to 44 or 111 to 523</source>
        <translation>CORINE Land Cover: Codes 1 bis 44 oder 111 bis 523</translation>
    </message>
    <message>
        <source>ESA WorldCover</source>
        <translation>ESA WorldCover</translation>
    </message>
    <message>
        <source>Esri land cover: 1 water to 11 rangeland</source>
        <translation>Esri-Landbedeckung: 1 Wasser bis 11 Weideland</translation>
    </message>
    <message>
        <source>Esri land cover, renumbered from 1 to 9</source>
        <translation>Esri-Landbedeckung, neu nummeriert von 1 bis 9</translation>
    </message>
    <message>
        <source>Legend CSV</source>
        <translation>CSV der Legende</translation>
    </message>
    <message>
        <source>Groups: codes are put together to common classes</source>
        <translation>Gruppen: Codes werden zu üblichen Klassen zusammengefasst</translation>
    </message>
    <message>
        <source>Legend: each code is a class</source>
        <translation>Legende: jeder Code ist eine Klasse</translation>
    </message>
    <message>
        <source>Keep classes that do not occur</source>
        <translation>Klassen behalten, die nicht vorkommen</translation>
    </message>
    <message>
        <source>Codes that the legend does not know are</source>
        <translation>Codes, die nicht in der Legende stehen, sind</translation>
    </message>
    <message>
        <source>Refused: stop and name them</source>
        <translation>Nicht erlaubt: anhalten und sie nennen</translation>
    </message>
    <message>
        <source>Ignored: they have no label</source>
        <translation>Ignoriert: sie haben kein Label</translation>
    </message>
    <message>
        <source>Labels are</source>
        <translation>Labels sind</translation>
    </message>
    <message>
        <source>Majority: one class for each pixel</source>
        <translation>Mehrheit: eine Klasse für jedes Pixel</translation>
    </message>
    <message>
        <source>Soft: the share of every class, too</source>
        <translation>Weich: auch der Anteil jeder Klasse</translation>
    </message>
    <message>
        <source>Least purity of a cell</source>
        <translation>Mindestreinheit einer Zelle</translation>
    </message>
    <message>
        <source>Least distance from a border of classes [m]</source>
        <translation>Mindestabstand von einer Klassengrenze [m]</translation>
    </message>
    <message>
        <source>Second land-cover map</source>
        <translation>Zweite Landbedeckungskarte</translation>
    </message>
    <message>
        <source>Legend of the second map</source>
        <translation>Legende der zweiten Karte</translation>
    </message>
    <message>
        <source>Legend CSV of the second map</source>
        <translation>CSV der Legende der zweiten Karte</translation>
    </message>
    <message>
        <source>The second map decides</source>
        <translation>Die zweite Karte entscheidet je</translation>
    </message>
    <message>
        <source>Pixel: it must say the same in the pixel</source>
        <translation>Pixel: sie muss im Pixel dasselbe sagen</translation>
    </message>
    <message>
        <source>Cell: it only measures the purity of the cells</source>
        <translation>Zelle: sie misst nur die Reinheit der Zellen</translation>
    </message>
    <message>
        <source>Year of the map</source>
        <translation>Jahr der Karte</translation>
    </message>
    <message>
        <source>Most years between map and images</source>
        <translation>Höchstzahl der Jahre zwischen Karte und Bildern</translation>
    </message>
    <message>
        <source>Mean share of the pixels of a tile that have a label, 0 to 1</source>
        <translation>Mittlerer Anteil der Pixel einer Kachel, die ein Label haben, 0 bis 1</translation>
    </message>
    <message>
        <source>Year that the land-cover map shows; nothing where it is not known</source>
        <translation>Jahr, das die Landbedeckungskarte zeigt; nichts, wo es nicht bekannt ist</translation>
    </message>
    <message>
        <source>Create sea ice dataset</source>
        <translation>Meereisdatensatz erstellen</translation>
    </message>
    <message>
        <source>HH images</source>
        <translation>HH-Bilder</translation>
    </message>
    <message>
        <source>HV images</source>
        <translation>HV-Bilder</translation>
    </message>
    <message>
        <source>Incidence angle</source>
        <translation>Einfallswinkel</translation>
    </message>
    <message>
        <source>Given: as a band of the images, a layer or a table</source>
        <translation>Gegeben: als Kanal der Bilder, Layer oder Tabelle</translation>
    </message>
    <message>
        <source>Orbit: computed where an image has no band of it</source>
        <translation>Umlaufbahn: berechnet, wo ein Bild keinen Kanal dafür hat</translation>
    </message>
    <message>
        <source>None: the network does without</source>
        <translation>Keiner: das Netz kommt ohne aus</translation>
    </message>
    <message>
        <source>Incidence angle layers</source>
        <translation>Layer der Einfallswinkel</translation>
    </message>
    <message>
        <source>Table of incidence angles</source>
        <translation>Tabelle der Einfallswinkel</translation>
    </message>
    <message>
        <source>Backscatter is in</source>
        <translation>Die Rückstreuung ist in</translation>
    </message>
    <message>
        <source>Detect from the values</source>
        <translation>Aus den Werten erkennen</translation>
    </message>
    <message>
        <source>Decibels (dB)</source>
        <translation>Dezibel (dB)</translation>
    </message>
    <message>
        <source>Linear (sigma nought)</source>
        <translation>Linear (Sigma Nought)</translation>
    </message>
    <message>
        <source>Polygons or ice chart</source>
        <translation>Polygone oder Eiskarte</translation>
    </message>
    <message>
        <source>Scene field</source>
        <translation>Feld mit der Szene</translation>
    </message>
    <message>
        <source>Fast ice also labels images within [days]</source>
        <translation>Festeis gibt auch Bildern Labels innerhalb von [Tage]</translation>
    </message>
    <message>
        <source>Largest change of HH in fast ice [dB]</source>
        <translation>Größte Änderung von HH in Festeis [dB]</translation>
    </message>
    <message>
        <source>Day of the chart</source>
        <translation>Tag der Eiskarte</translation>
    </message>
    <message>
        <source>Optical scenes</source>
        <translation>Optische Szenen</translation>
    </message>
    <message>
        <source>Longest time to an optical scene [h]</source>
        <translation>Größter Zeitabstand zu einer optischen Szene [h]</translation>
    </message>
    <message>
        <source>Classes of an ice chart</source>
        <translation>Klassen einer Eiskarte</translation>
    </message>
    <message>
        <source>Stage of development (AI4Arctic)</source>
        <translation>Entwicklungsstufe (AI4Arctic)</translation>
    </message>
    <message>
        <source>Six types of water and ice (UiT)</source>
        <translation>Sechs Arten von Wasser und Eis (UiT)</translation>
    </message>
    <message>
        <source>Ice or open water</source>
        <translation>Eis oder offenes Wasser</translation>
    </message>
    <message>
        <source>Concentration in tenths</source>
        <translation>Konzentration in Zehnteln</translation>
    </message>
    <message>
        <source>Form: floe sizes (AI4Arctic)</source>
        <translation>Form: Schollengrößen (AI4Arctic)</translation>
    </message>
    <message>
        <source>Stage of the ice with the largest concentration</source>
        <translation>Stufe des Eises mit der größten Konzentration</translation>
    </message>
    <message>
        <source>Stage of the ice with the next concentration</source>
        <translation>Stufe des Eises mit der nächsten Konzentration</translation>
    </message>
    <message>
        <source>Further targets</source>
        <translation>Weitere Zielgrößen</translation>
    </message>
    <message>
        <source>Dominant share of the ice</source>
        <translation>Anteil des vorherrschenden Eises</translation>
    </message>
    <message>
        <source>Concentration from which a polygon is ice [tenths]</source>
        <translation>Konzentration, ab der ein Polygon Eis ist [Zehntel]</translation>
    </message>
    <message>
        <source>Polygons with unknown codes are</source>
        <translation>Polygone mit unbekannten Codes sind</translation>
    </message>
    <message>
        <source>Ignored: they have no class</source>
        <translation>Ignoriert: sie haben keine Klasse</translation>
    </message>
    <message>
        <source>Land mask</source>
        <translation>Landmaske</translation>
    </message>
    <message>
        <source>Samples</source>
        <translation>Proben</translation>
    </message>
    <message>
        <source>Patches: small, of one class each</source>
        <translation>Ausschnitte: klein, mit je einer Klasse</translation>
    </message>
    <message>
        <source>Tiles: a class for every pixel</source>
        <translation>Kacheln: eine Klasse für jedes Pixel</translation>
    </message>
    <message>
        <source>Patch or tile size [px]</source>
        <translation>Größe der Ausschnitte oder Kacheln [px]</translation>
    </message>
    <message>
        <source>Stride [px]</source>
        <translation>Schrittweite [px]</translation>
    </message>
    <message>
        <source>Balance of the classes</source>
        <translation>Ausgleich der Klassen</translation>
    </message>
    <message>
        <source>None: as they occur</source>
        <translation>Keiner: wie sie vorkommen</translation>
    </message>
    <message>
        <source>Augment: turned copies of rare patches</source>
        <translation>Vermehren: gedrehte Kopien seltener Ausschnitte</translation>
    </message>
    <message>
        <source>Weights: rare classes count more in the loss</source>
        <translation>Gewichte: seltene Klassen zählen in der Verlustfunktion mehr</translation>
    </message>
    <message>
        <source>Split by</source>
        <translation>Aufteilen nach</translation>
    </message>
    <message>
        <source>Automatic: scenes where there are three, else polygons</source>
        <translation>Automatisch: Szenen, wo es drei gibt, sonst Polygone</translation>
    </message>
    <message>
        <source>Polygon</source>
        <translation>Polygon</translation>
    </message>
    <message>
        <source>Scene</source>
        <translation>Szene</translation>
    </message>
    <message>
        <source>Place: blocks of ground with a gap</source>
        <translation>Ort: Geländeblöcke mit Abstand</translation>
    </message>
    <message>
        <source>Nodata value of HH and HV</source>
        <translation>Nodata-Wert von HH und HV</translation>
    </message>
    <message>
        <source>Target CRS</source>
        <translation>Ziel-KBS</translation>
    </message>
    <message>
        <source>Pixel size in the target CRS</source>
        <translation>Pixelgröße im Ziel-KBS</translation>
    </message>
    <message>
        <source>Share of validation samples</source>
        <translation>Anteil der Validierungsproben</translation>
    </message>
    <message>
        <source>Share of test samples</source>
        <translation>Anteil der Testproben</translation>
    </message>
    <message>
        <source>Footprints of the samples</source>
        <translation>Umrisse der Proben</translation>
    </message>
    <message>
        <source>Samples in the dataset, with those dropped between the splits</source>
        <translation>Proben im Datensatz, einschließlich der zwischen den Teilen weggelassenen</translation>
    </message>
    <message>
        <source>Samples for training</source>
        <translation>Proben zum Trainieren</translation>
    </message>
    <message>
        <source>Samples for validation</source>
        <translation>Proben zum Validieren</translation>
    </message>
    <message>
        <source>Samples for test</source>
        <translation>Proben zum Testen</translation>
    </message>
    <message>
        <source>Samples that belong to no part, because they lie too near to another part or in a named subset</source>
        <translation>Proben, die zu keinem Teil gehören, weil sie einem anderen zu nahe oder in einer benannten Teilmenge liegen</translation>
    </message>
    <message>
        <source>Create crop dataset</source>
        <translation>Kulturendatensatz erstellen</translation>
    </message>
    <message>
        <source>Images of the series</source>
        <translation>Bilder der Zeitreihe</translation>
    </message>
    <message>
        <source>Kind of cloud mask</source>
        <translation>Art der Wolkenmaske</translation>
    </message>
    <message>
        <source>Parcels</source>
        <translation>Parzellen</translation>
    </message>
    <message>
        <source>Crop field</source>
        <translation>Feld mit der Kultur</translation>
    </message>
    <message>
        <source>Each layer is</source>
        <translation>Jeder Layer enthält</translation>
    </message>
    <message>
        <source>Dates: one date with all its bands</source>
        <translation>Termine: einen Termin mit allen Kanälen</translation>
    </message>
    <message>
        <source>Bands: one band of one date</source>
        <translation>Kanäle: einen Kanal eines Termins</translation>
    </message>
    <message>
        <source>Pattern of the dates</source>
        <translation>Muster der Termine</translation>
    </message>
    <message>
        <source>Table of the dates</source>
        <translation>Tabelle der Termine</translation>
    </message>
    <message>
        <source>Radar images</source>
        <translation>Radarbilder</translation>
    </message>
    <message>
        <source>Radar sensor</source>
        <translation>Radarsensor</translation>
    </message>
    <message>
        <source>Region field</source>
        <translation>Feld mit der Region</translation>
    </message>
    <message>
        <source>Table of crops</source>
        <translation>Tabelle der Kulturen</translation>
    </message>
    <message>
        <source>Smallest number of parcels of a class</source>
        <translation>Mindestzahl der Parzellen einer Klasse</translation>
    </message>
    <message>
        <source>Smallest number of pixels of a class</source>
        <translation>Mindestzahl der Pixel einer Klasse</translation>
    </message>
    <message>
        <source>Inner buffer [m]</source>
        <translation>Innerer Puffer [m]</translation>
    </message>
    <message>
        <source>Samples are</source>
        <translation>Proben sind</translation>
    </message>
    <message>
        <source>Pixels</source>
        <translation>Pixel</translation>
    </message>
    <message>
        <source>Parcels: the mean of their clear pixels</source>
        <translation>Parzellen: das Mittel ihrer wolkenfreien Pixel</translation>
    </message>
    <message>
        <source>Both pixels and parcels</source>
        <translation>Pixel und Parzellen</translation>
    </message>
    <message>
        <source>Tiles: squares with a class for every pixel</source>
        <translation>Kacheln: Quadrate mit einer Klasse für jedes Pixel</translation>
    </message>
    <message>
        <source>Number of pixels to draw</source>
        <translation>Zahl der zu ziehenden Pixel</translation>
    </message>
    <message>
        <source>Sampling</source>
        <translation>Ziehung</translation>
    </message>
    <message>
        <source>As frequent as in the parcel map</source>
        <translation>So häufig wie in der Parzellenkarte</translation>
    </message>
    <message>
        <source>By the square root of their share</source>
        <translation>Nach der Wurzel ihres Anteils</translation>
    </message>
    <message>
        <source>Equal for all crops</source>
        <translation>Gleich für alle Kulturen</translation>
    </message>
    <message>
        <source>Shares count</source>
        <translation>Anteile beziehen sich auf</translation>
    </message>
    <message>
        <source>Area of the parcels</source>
        <translation>Die Fläche der Parzellen</translation>
    </message>
    <message>
        <source>Number of parcels</source>
        <translation>Die Zahl der Parzellen</translation>
    </message>
    <message>
        <source>Smallest number of samples of a class</source>
        <translation>Mindestzahl der Proben einer Klasse</translation>
    </message>
    <message>
        <source>Smallest number of clear dates</source>
        <translation>Mindestzahl wolkenfreier Termine</translation>
    </message>
    <message>
        <source>Blocks of ground</source>
        <translation>Geländeblöcke</translation>
    </message>
    <message>
        <source>Regions of the region field</source>
        <translation>Regionen aus dem Feld mit der Region</translation>
    </message>
    <message>
        <source>Tiles of the images</source>
        <translation>Kacheln der Bilder</translation>
    </message>
    <message>
        <source>Block size for the split [m]</source>
        <translation>Blockgröße für die Aufteilung [m]</translation>
    </message>
    <message>
        <source>Gap around validation and test [m]</source>
        <translation>Abstand um Validierung und Test [m]</translation>
    </message>
    <message>
        <source>Places of the samples</source>
        <translation>Orte der Proben</translation>
    </message>
    <message>
        <source>TimeSen2Crop folders</source>
        <translation>TimeSen2Crop-Ordner</translation>
    </message>
    <message>
        <source>Dates of the first sensor, of the tile that has most</source>
        <translation>Termine des ersten Sensors, von der Kachel mit den meisten</translation>
    </message>
    <message>
        <source>Tiles with samples: places whose images share a grid</source>
        <translation>Kacheln mit Proben: Orte, deren Bilder ein Gitter teilen</translation>
    </message>
    <message>
        <source>Classes of crops</source>
        <translation>Klassen der Kulturen</translation>
    </message>
    <message>
        <source>Create field dataset</source>
        <translation>Felderdatensatz erstellen</translation>
    </message>
    <message>
        <source>Images of a second date</source>
        <translation>Bilder eines zweiten Termins</translation>
    </message>
    <message>
        <source>Where all fields are known</source>
        <translation>Wo alle Felder bekannt sind</translation>
    </message>
    <message>
        <source>Width of the boundary [m]</source>
        <translation>Breite der Grenze [m]</translation>
    </message>
    <message>
        <source>Cloud masks of the second date</source>
        <translation>Wolkenmasken des zweiten Termins</translation>
    </message>
    <message>
        <source>Fields near the images</source>
        <translation>Felder im Bereich der Bilder</translation>
    </message>
    <message>
        <source>Create pretraining dataset</source>
        <translation>Datensatz zum Vortrainieren erstellen</translation>
    </message>
    <message>
        <source>The two sensors are</source>
        <translation>Die beiden Sensoren sind</translation>
    </message>
    <message>
        <source>Paired: tiles hold both, on the grid of the first</source>
        <translation>Gepaart: Kacheln haben beide, auf dem Gitter des ersten</translation>
    </message>
    <message>
        <source>Unpaired: some tiles are of the first, some of the second</source>
        <translation>Ungepaart: einige Kacheln sind vom ersten, einige vom zweiten</translation>
    </message>
    <message>
        <source>Brightness of the pixels, without a mask</source>
        <translation>Helligkeit der Pixel, ohne Maske</translation>
    </message>
    <message>
        <source>Largest share of cloud in a tile</source>
        <translation>Größter Wolkenanteil einer Kachel</translation>
    </message>
    <message>
        <source>Tiles are alike up to a distance of</source>
        <translation>Kacheln gelten als gleich bis zum Abstand</translation>
    </message>
    <message>
        <source>Tiles left out because too few of their pixels are valid</source>
        <translation>Kacheln, die wegen zu weniger gültiger Pixel weggelassen wurden</translation>
    </message>
    <message>
        <source>Tiles left out because of clouds</source>
        <translation>Kacheln, die wegen Wolken weggelassen wurden</translation>
    </message>
    <message>
        <source>Tiles left out because they look like another tile</source>
        <translation>Kacheln, die weggelassen wurden, weil sie einer anderen gleichen</translation>
    </message>
    <message>
        <source>Import dataset</source>
        <translation>Datensatz importieren</translation>
    </message>
    <message>
        <source>Folder</source>
        <translation>Ordner</translation>
    </message>
    <message>
        <source>Zip archive</source>
        <translation>Zip-Archiv</translation>
    </message>
    <message>
        <source>Format</source>
        <translation>Format</translation>
    </message>
    <message>
        <source>Found by the names of files and folders</source>
        <translation>An den Namen von Dateien und Ordnern erkannt</translation>
    </message>
    <message>
        <source>EuroSAT</source>
        <translation>EuroSAT</translation>
    </message>
    <message>
        <source>Class folders: one folder of images for each class</source>
        <translation>Klassenordner: für jede Klasse ein Ordner mit Bildern</translation>
    </message>
    <message>
        <source>BigEarthNet, version 1 or 2</source>
        <translation>BigEarthNet, Version 1 oder 2</translation>
    </message>
    <message>
        <source>SEN12MS</source>
        <translation>SEN12MS</translation>
    </message>
    <message>
        <source>TimeSen2Crop</source>
        <translation>TimeSen2Crop</translation>
    </message>
    <message>
        <source>EuroCropsML</source>
        <translation>EuroCropsML</translation>
    </message>
    <message>
        <source>PASTIS</source>
        <translation>PASTIS</translation>
    </message>
    <message>
        <source>Fields of The World</source>
        <translation>Fields of The World</translation>
    </message>
    <message>
        <source>Pairs: images/ and labels/ with the same names</source>
        <translation>Paare: images/ und labels/ mit gleichen Namen</translation>
    </message>
    <message>
        <source>Pairs side by side, such as DeepGlobe</source>
        <translation>Paare nebeneinander, wie DeepGlobe</translation>
    </message>
    <message>
        <source>ArcGIS classified tiles</source>
        <translation>Klassifizierte Kacheln von ArcGIS</translation>
    </message>
    <message>
        <source>AI4Arctic, ready to train (AutoICE)</source>
        <translation>AI4Arctic, trainingsfertig (AutoICE)</translation>
    </message>
    <message>
        <source>Sen1Floods11</source>
        <translation>Sen1Floods11</translation>
    </message>
    <message>
        <source>Split</source>
        <translation>Aufteilung</translation>
    </message>
    <message>
        <source>Given: the one that came with the data</source>
        <translation>Vorhanden: die mit den Daten geliefert wurde</translation>
    </message>
    <message>
        <source>New: divided again</source>
        <translation>Neu: es wird neu aufgeteilt</translation>
    </message>
    <message>
        <source>Folder of split lists</source>
        <translation>Ordner mit Listen der Aufteilung</translation>
    </message>
    <message>
        <source>Share for validation</source>
        <translation>Anteil für die Validierung</translation>
    </message>
    <message>
        <source>Share for test</source>
        <translation>Anteil für den Test</translation>
    </message>
    <message>
        <source>BigEarthNet classes</source>
        <translation>BigEarthNet-Klassen</translation>
    </message>
    <message>
        <source>19: the grouping of 2021</source>
        <translation>19: die Gruppen von 2021</translation>
    </message>
    <message>
        <source>43: CORINE 2018, level 3</source>
        <translation>43: CORINE 2018, Ebene 3</translation>
    </message>
    <message>
        <source>SEN12MS classes</source>
        <translation>SEN12MS-Klassen</translation>
    </message>
    <message>
        <source>10: simplified IGBP</source>
        <translation>10: vereinfachtes IGBP</translation>
    </message>
    <message>
        <source>17: IGBP</source>
        <translation>17: IGBP</translation>
    </message>
    <message>
        <source>BigEarthNet resampling</source>
        <translation>Resampling von BigEarthNet</translation>
    </message>
    <message>
        <source>Nearest: keeps the measured values</source>
        <translation>Nächster Nachbar: behält die gemessenen Werte</translation>
    </message>
    <message>
        <source>Bilinear: smooth</source>
        <translation>Bilinear: glatt</translation>
    </message>
    <message>
        <source>Cubic: sharper, may overshoot</source>
        <translation>Kubisch: schärfer, kann überschwingen</translation>
    </message>
    <message>
        <source>EuroCropsML use case</source>
        <translation>EuroCropsML-Anwendungsfall</translation>
    </message>
    <message>
        <source>From Latvia to Estonia</source>
        <translation>Von Lettland nach Estland</translation>
    </message>
    <message>
        <source>From Latvia and Portugal to Estonia</source>
        <translation>Von Lettland und Portugal nach Estland</translation>
    </message>
    <message>
        <source>From Latvia to Estonia, shared crops only</source>
        <translation>Von Lettland nach Estland, nur gemeinsame Kulturen</translation>
    </message>
    <message>
        <source>From Latvia and Portugal to Estonia, shared crops only</source>
        <translation>Von Lettland und Portugal nach Estland, nur gemeinsame Kulturen</translation>
    </message>
    <message>
        <source>EuroCropsML part</source>
        <translation>EuroCropsML-Teil</translation>
    </message>
    <message>
        <source>Fine-tuning: the country to learn</source>
        <translation>Feinabstimmung: das Land, das gelernt wird</translation>
    </message>
    <message>
        <source>Pretraining: the other countries</source>
        <translation>Vortraining: die anderen Länder</translation>
    </message>
    <message>
        <source>EuroCropsML shots</source>
        <translation>EuroCropsML-Beispiele</translation>
    </message>
    <message>
        <source>1 of each class</source>
        <translation>1 von jeder Klasse</translation>
    </message>
    <message>
        <source>5 of each class</source>
        <translation>5 von jeder Klasse</translation>
    </message>
    <message>
        <source>10 of each class</source>
        <translation>10 von jeder Klasse</translation>
    </message>
    <message>
        <source>20 of each class</source>
        <translation>20 von jeder Klasse</translation>
    </message>
    <message>
        <source>100 of each class</source>
        <translation>100 von jeder Klasse</translation>
    </message>
    <message>
        <source>200 of each class</source>
        <translation>200 von jeder Klasse</translation>
    </message>
    <message>
        <source>500 of each class</source>
        <translation>500 von jeder Klasse</translation>
    </message>
    <message>
        <source>All parcels</source>
        <translation>Alle Parzellen</translation>
    </message>
    <message>
        <source>EuroCropsML regions</source>
        <translation>EuroCropsML-Regionen</translation>
    </message>
    <message>
        <source>Pixel size [m]</source>
        <translation>Pixelgröße [m]</translation>
    </message>
    <message>
        <source>Format that the data have</source>
        <translation>Format, das die Daten haben</translation>
    </message>
    <message>
        <source>Export dataset</source>
        <translation>Datensatz exportieren</translation>
    </message>
    <message>
        <source>GeoTIFF images and labels</source>
        <translation>GeoTIFF-Bilder und -Labels</translation>
    </message>
    <message>
        <source>TimeSen2Crop, for series</source>
        <translation>TimeSen2Crop, für Zeitreihen</translation>
    </message>
    <message>
        <source>Samples of</source>
        <translation>Proben von</translation>
    </message>
    <message>
        <source>All parts</source>
        <translation>Alle Teile</translation>
    </message>
    <message>
        <source>Training only</source>
        <translation>Nur Training</translation>
    </message>
    <message>
        <source>Validation only</source>
        <translation>Nur Validierung</translation>
    </message>
    <message>
        <source>Test only</source>
        <translation>Nur Test</translation>
    </message>
    <message>
        <source>Samples that were written</source>
        <translation>Geschriebene Proben</translation>
    </message>
    <message>
        <source>Split dataset by place</source>
        <translation>Datensatz nach Orten aufteilen</translation>
    </message>
    <message>
        <source>Divide by</source>
        <translation>Aufteilen nach</translation>
    </message>
    <message>
        <source>Automatic: what suits the samples</source>
        <translation>Automatisch: was zu den Proben passt</translation>
    </message>
    <message>
        <source>Place: blocks of ground</source>
        <translation>Ort: Geländeblöcke</translation>
    </message>
    <message>
        <source>Parcel</source>
        <translation>Parzelle</translation>
    </message>
    <message>
        <source>Polygon of an ice chart</source>
        <translation>Polygon einer Eiskarte</translation>
    </message>
    <message>
        <source>Scene: whole images</source>
        <translation>Szene: ganze Bilder</translation>
    </message>
    <message>
        <source>Random, for comparison only</source>
        <translation>Zufällig, nur zum Vergleich</translation>
    </message>
    <message>
        <source>Test days</source>
        <translation>Testtage</translation>
    </message>
    <message>
        <source>Buffer between blocks [px]</source>
        <translation>Puffer zwischen Blöcken [px]</translation>
    </message>
    <message>
        <source>New dataset folder</source>
        <translation>Neuer Datensatzordner</translation>
    </message>
    <message>
        <source>Least distance between a training tile and a test tile, in pixels; the larger, the less a score flatters</source>
        <translation>Kleinster Abstand einer Trainings- zu einer Testkachel, in Pixeln; je größer, desto weniger geschönt ist ein Wert</translation>
    </message>
    <message>
        <source>Describe dataset</source>
        <translation>Datensatz beschreiben</translation>
    </message>
    <message>
        <source>Tiles or samples in the dataset</source>
        <translation>Kacheln oder Proben im Datensatz</translation>
    </message>
    <message>
        <source>Warnings in the report</source>
        <translation>Warnungen im Bericht</translation>
    </message>
    <message>
        <source>Suggest labels</source>
        <translation>Labels vorschlagen</translation>
    </message>
    <message>
        <source>Models</source>
        <translation>Modelle</translation>
    </message>
    <message>
        <source>Dataset to be extended</source>
        <translation>Zu erweiternder Datensatz</translation>
    </message>
    <message>
        <source>Areas</source>
        <translation>Gebiete</translation>
    </message>
    <message>
        <source>Topics map</source>
        <translation>Themenkarte</translation>
    </message>
    <message>
        <source>Places to suggest</source>
        <translation>Vorzuschlagende Orte</translation>
    </message>
    <message>
        <source>Uncertainty</source>
        <translation>Unsicherheit</translation>
    </message>
    <message>
        <source>Mixture of classes in the place as a whole</source>
        <translation>Mischung der Klassen im ganzen Ort</translation>
    </message>
    <message>
        <source>Entropy over all classes of a pixel</source>
        <translation>Entropie über alle Klassen eines Pixels</translation>
    </message>
    <message>
        <source>Margin between the two likeliest classes of a pixel</source>
        <translation>Abstand der zwei wahrscheinlichsten Klassen eines Pixels</translation>
    </message>
    <message>
        <source>Disagreement between the models of an ensemble</source>
        <translation>Uneinigkeit der Modelle eines Ensembles</translation>
    </message>
    <message>
        <source>Diversity</source>
        <translation>Vielfalt</translation>
    </message>
    <message>
        <source>Minimum share of valid and clear pixels</source>
        <translation>Mindestanteil gültiger und wolkenfreier Pixel</translation>
    </message>
    <message>
        <source>Small blocks</source>
        <translation>Kleine Blöcke</translation>
    </message>
    <message>
        <source>Places to label</source>
        <translation>Orte, die Labels brauchen</translation>
    </message>
    <message>
        <source>Places that are suggested</source>
        <translation>Vorgeschlagene Orte</translation>
    </message>
    <message>
        <source>Places that were compared</source>
        <translation>Verglichene Orte</translation>
    </message>
    <message>
        <source>Mean of the measure over the suggested places, 0 to 1</source>
        <translation>Mittel des Maßes über die vorgeschlagenen Orte, 0 bis 1</translation>
    </message>
    <message>
        <source>Device that the network ran on</source>
        <translation>Gerät, auf dem das Netz lief</translation>
    </message>
    <message>
        <source>Discover topics</source>
        <translation>Themen entdecken</translation>
    </message>
    <message>
        <source>Second date</source>
        <translation>Zweiter Termin</translation>
    </message>
    <message>
        <source>Channels</source>
        <translation>Kanäle</translation>
    </message>
    <message>
        <source>Topics</source>
        <translation>Themen</translation>
    </message>
    <message>
        <source>Words in the dictionary</source>
        <translation>Wörter im Wörterbuch</translation>
    </message>
    <message>
        <source>Word size [px]</source>
        <translation>Wortgröße [px]</translation>
    </message>
    <message>
        <source>Document size [px]</source>
        <translation>Dokumentgröße [px]</translation>
    </message>
    <message>
        <source>Scaling of the channels</source>
        <translation>Skalierung der Kanäle</translation>
    </message>
    <message>
        <source>None: the channels' own units</source>
        <translation>Keine: die eigenen Einheiten der Kanäle</translation>
    </message>
    <message>
        <source>Standard: every channel counts the same</source>
        <translation>Standard: jeder Kanal zählt gleich</translation>
    </message>
    <message>
        <source>Words the dictionary is learned from</source>
        <translation>Wörter, aus denen das Wörterbuch gelernt wird</translation>
    </message>
    <message>
        <source>Documents with their topic shares</source>
        <translation>Dokumente mit ihren Themenanteilen</translation>
    </message>
    <message>
        <source>Topics map of the second date</source>
        <translation>Themenkarte des zweiten Termins</translation>
    </message>
    <message>
        <source>Change of topic</source>
        <translation>Wechsel des Themas</translation>
    </message>
    <message>
        <source>Topics that were learned</source>
        <translation>Gelernte Themen</translation>
    </message>
    <message>
        <source>Documents, the squares that have a topic</source>
        <translation>Dokumente: die Quadrate, die ein Thema haben</translation>
    </message>
    <message>
        <source>Perplexity per word of the documents learned from; lower is better</source>
        <translation>Perplexität je Wort der gelernten Dokumente; niedriger ist besser</translation>
    </message>
    <message>
        <source>Share of the documents whose main topic differs between the two dates, 0 to 1</source>
        <translation>Anteil der Dokumente, deren Hauptthema sich zwischen den Terminen unterscheidet, 0 bis 1</translation>
    </message>
    <message>
        <source>Pretrain by inpainting</source>
        <translation>Vortrainieren durch Füllen von Lücken</translation>
    </message>
    <message>
        <source>Dataset</source>
        <translation>Datensatz</translation>
    </message>
    <message>
        <source>Encoder</source>
        <translation>Encoder</translation>
    </message>
    <message>
        <source>Starting weights</source>
        <translation>Startgewichte</translation>
    </message>
    <message>
        <source>Epochs</source>
        <translation>Epochen</translation>
    </message>
    <message>
        <source>Batch size</source>
        <translation>Batch-Größe</translation>
    </message>
    <message>
        <source>Hidden share of a tile</source>
        <translation>Verdeckter Anteil einer Kachel</translation>
    </message>
    <message>
        <source>Largest block [px]</source>
        <translation>Größter Block [px]</translation>
    </message>
    <message>
        <source>Learning rate</source>
        <translation>Lernrate</translation>
    </message>
    <message>
        <source>Most blocks in a tile</source>
        <translation>Höchstzahl der Blöcke in einer Kachel</translation>
    </message>
    <message>
        <source>Weight of the adversarial loss</source>
        <translation>Gewicht der adversarialen Verlustfunktion</translation>
    </message>
    <message>
        <source>Epochs until this weight is full</source>
        <translation>Epochen, bis dieses Gewicht voll ist</translation>
    </message>
    <message>
        <source>Layers of the discriminator</source>
        <translation>Schichten des Diskriminators</translation>
    </message>
    <message>
        <source>Width of the discriminator</source>
        <translation>Breite des Diskriminators</translation>
    </message>
    <message>
        <source>Crop [px]</source>
        <translation>Ausschnitt [px]</translation>
    </message>
    <message>
        <source>Precision</source>
        <translation>Rechengenauigkeit</translation>
    </message>
    <message>
        <source>Automatic: fast where the device can</source>
        <translation>Automatisch: schnell, wo das Gerät es kann</translation>
    </message>
    <message>
        <source>32 bit (float32)</source>
        <translation>32 Bit (float32)</translation>
    </message>
    <message>
        <source>16 bit (bfloat16)</source>
        <translation>16 Bit (bfloat16)</translation>
    </message>
    <message>
        <source>16 bit (float16)</source>
        <translation>16 Bit (float16)</translation>
    </message>
    <message>
        <source>Early stopping after epochs without gain</source>
        <translation>Abbruch nach so vielen Epochen ohne Verbesserung</translation>
    </message>
    <message>
        <source>Weight decay</source>
        <translation>Gewichtszerfall (Weight Decay)</translation>
    </message>
    <message>
        <source>Warm-up epochs</source>
        <translation>Aufwärmepochen</translation>
    </message>
    <message>
        <source>Run folder</source>
        <translation>Ordner des Laufs</translation>
    </message>
    <message>
        <source>Weights of the whole network in the epoch that is kept</source>
        <translation>Gewichte des ganzen Netzes in der Epoche, die behalten wird</translation>
    </message>
    <message>
        <source>Weights of the encoder alone</source>
        <translation>Gewichte des Encoders allein</translation>
    </message>
    <message>
        <source>Report of the run</source>
        <translation>Bericht des Laufs</translation>
    </message>
    <message>
        <source>Peak signal-to-noise ratio (PSNR) of the fills on the validation tiles, in dB; higher is better</source>
        <translation>Spitzen-Signal-Rausch-Verhältnis (PSNR) der gefüllten Lücken auf den Validierungskacheln, in dB; höher ist besser</translation>
    </message>
    <message>
        <source>Structural similarity (SSIM) of the fills on the validation tiles, up to 1; higher is better</source>
        <translation>Strukturelle Ähnlichkeit (SSIM) der gefüllten Lücken auf den Validierungskacheln, bis 1; höher ist besser</translation>
    </message>
    <message>
        <source>PSNR of filling with the mean, in dB: the least to beat</source>
        <translation>PSNR beim Füllen mit dem Mittelwert, in dB: das ist mindestens zu übertreffen</translation>
    </message>
    <message>
        <source>PSNR of the smoothest fill, on some of the tiles, in dB: what smoothness alone gives</source>
        <translation>PSNR der glattesten Füllung, auf einigen Kacheln, in dB: was Glätte allein bringt</translation>
    </message>
    <message>
        <source>Epochs that the run has learned for</source>
        <translation>Epochen, die der Lauf gelernt hat</translation>
    </message>
    <message>
        <source>Pretrain with Barlow Twins</source>
        <translation>Vortrainieren mit Barlow Twins</translation>
    </message>
    <message>
        <source>Learn from</source>
        <translation>Lernen von</translation>
    </message>
    <message>
        <source>One sensor</source>
        <translation>Ein Sensor</translation>
    </message>
    <message>
        <source>A pair of sensors, with an encoder for each</source>
        <translation>Ein Paar von Sensoren, mit je einem Encoder</translation>
    </message>
    <message>
        <source>Labelled dataset to probe with</source>
        <translation>Datensatz mit Labels für das Probing</translation>
    </message>
    <message>
        <source>Size of a view [px]</source>
        <translation>Größe einer Ansicht [px]</translation>
    </message>
    <message>
        <source>Least share of a tile in a view</source>
        <translation>Kleinster Anteil einer Kachel in einer Ansicht</translation>
    </message>
    <message>
        <source>Largest share of a tile in a view</source>
        <translation>Größter Anteil einer Kachel in einer Ansicht</translation>
    </message>
    <message>
        <source>Gain of all bands</source>
        <translation>Verstärkung aller Kanäle</translation>
    </message>
    <message>
        <source>Gain of each band</source>
        <translation>Verstärkung jedes Kanals</translation>
    </message>
    <message>
        <source>Offset of optical bands</source>
        <translation>Offset optischer Kanäle</translation>
    </message>
    <message>
        <source>Share of blurred views</source>
        <translation>Anteil unscharfer Ansichten</translation>
    </message>
    <message>
        <source>Share of views without some bands</source>
        <translation>Anteil der Ansichten ohne einige Kanäle</translation>
    </message>
    <message>
        <source>Looks of added speckle</source>
        <translation>Looks des zugefügten Speckles</translation>
    </message>
    <message>
        <source>Slope across radar views [dB]</source>
        <translation>Neigung über Radaransichten [dB]</translation>
    </message>
    <message>
        <source>Width of the projector</source>
        <translation>Breite des Projektors</translation>
    </message>
    <message>
        <source>Weight of redundancy (λ)</source>
        <translation>Gewicht der Redundanz (λ)</translation>
    </message>
    <message>
        <source>Neighbours to learn from</source>
        <translation>Nachbarn, von denen gelernt wird</translation>
    </message>
    <message>
        <source>Share of dimensions two sensors share</source>
        <translation>Anteil der Dimensionen, die zwei Sensoren teilen</translation>
    </message>
    <message>
        <source>Optimizer</source>
        <translation>Optimierer</translation>
    </message>
    <message>
        <source>Adam</source>
        <translation>Adam</translation>
    </message>
    <message>
        <source>AdamW</source>
        <translation>AdamW</translation>
    </message>
    <message>
        <source>LARS, for batches of 1024 and more</source>
        <translation>LARS, für Batches ab 1024</translation>
    </message>
    <message>
        <source>Share of the probe's labels [%]</source>
        <translation>Anteil der Labels für das Probing [%]</translation>
    </message>
    <message>
        <source>Probe every [epochs]</source>
        <translation>Probing alle [Epochen]</translation>
    </message>
    <message>
        <source>Loss on tiles held out from the training; lower is better</source>
        <translation>Wert der Verlustfunktion auf Kacheln, die nicht im Training waren; niedriger ist besser</translation>
    </message>
    <message>
        <source>Effective rank of the features: how many directions tell tiles apart; near 1 they have collapsed</source>
        <translation>Effektiver Rang der Merkmale: wie viele Richtungen Kacheln unterscheiden; nahe 1 sind sie kollabiert</translation>
    </message>
    <message>
        <source>Accuracy of a linear classifier on the frozen features, 0 to 1; where the tiles have classes</source>
        <translation>Genauigkeit eines linearen Klassifikators auf den eingefrorenen Merkmalen, 0 bis 1; wo die Kacheln Klassen haben</translation>
    </message>
    <message>
        <source>Pretrain by translation</source>
        <translation>Vortrainieren durch Übersetzen</translation>
    </message>
    <message>
        <source>Pretraining dataset</source>
        <translation>Datensatz zum Vortrainieren</translation>
    </message>
    <message>
        <source>Mode</source>
        <translation>Trainingsmodus</translation>
    </message>
    <message>
        <source>Paired: tiles that hold both sensors</source>
        <translation>Gepaart: Kacheln, die beide Sensoren haben</translation>
    </message>
    <message>
        <source>Unpaired: tiles of each, of any places and dates</source>
        <translation>Ungepaart: Kacheln von jedem, von beliebigen Orten und Tagen</translation>
    </message>
    <message>
        <source>Generator</source>
        <translation>Generator</translation>
    </message>
    <message>
        <source>U-Net: its encoders start other runs</source>
        <translation>U-Net: seine Encoder starten andere Läufe</translation>
    </message>
    <message>
        <source>Residual: the network of CycleGAN</source>
        <translation>Residual: das Netz von CycleGAN</translation>
    </message>
    <message>
        <source>Starting weights for the first sensor</source>
        <translation>Startgewichte für den ersten Sensor</translation>
    </message>
    <message>
        <source>Starting weights for the second sensor</source>
        <translation>Startgewichte für den zweiten Sensor</translation>
    </message>
    <message>
        <source>Weight of the discriminators</source>
        <translation>Gewicht der Diskriminatoren</translation>
    </message>
    <message>
        <source>Weight of the paired error</source>
        <translation>Gewicht des Fehlers gepaarter Kacheln</translation>
    </message>
    <message>
        <source>Weight of the way there and back</source>
        <translation>Gewicht der Zykluskonsistenz (hin und zurück)</translation>
    </message>
    <message>
        <source>Weight of the identity</source>
        <translation>Gewicht der Identität</translation>
    </message>
    <message>
        <source>Images in the history</source>
        <translation>Bilder im Verlaufsspeicher</translation>
    </message>
    <message>
        <source>Width of the residual generator</source>
        <translation>Breite des Residual-Generators</translation>
    </message>
    <message>
        <source>Width of the discriminators</source>
        <translation>Breite der Diskriminatoren</translation>
    </message>
    <message>
        <source>Augmentation</source>
        <translation>Augmentierung</translation>
    </message>
    <message>
        <source>None</source>
        <translation>Keine</translation>
    </message>
    <message>
        <source>Flips and quarter turns</source>
        <translation>Spiegelungen und Vierteldrehungen</translation>
    </message>
    <message>
        <source>Weights of the encoder of the second sensor</source>
        <translation>Gewichte des Encoders des zweiten Sensors</translation>
    </message>
    <message>
        <source>Mean error of both directions on the validation tiles, in scaled units; lower is better</source>
        <translation>Mittlerer Fehler beider Richtungen auf den Validierungskacheln, in skalierten Einheiten; niedriger ist besser</translation>
    </message>
    <message>
        <source>Pretrain on many tasks</source>
        <translation>Vortrainieren mit vielen Aufgaben</translation>
    </message>
    <message>
        <source>Datasets</source>
        <translation>Datensätze</translation>
    </message>
    <message>
        <source>Training</source>
        <translation>Training</translation>
    </message>
    <message>
        <source>Reptile: several steps on one task at a time</source>
        <translation>Reptile: mehrere Schritte auf je einer Aufgabe</translation>
    </message>
    <message>
        <source>Joint: ordinary steps, each on one task</source>
        <translation>Gemeinsam: gewöhnliche Schritte, jeder auf einer Aufgabe</translation>
    </message>
    <message>
        <source>Tasks are drawn</source>
        <translation>Aufgaben werden gezogen</translation>
    </message>
    <message>
        <source>By size: as often as a dataset has training tiles</source>
        <translation>Nach Größe: so oft, wie ein Datensatz Trainingskacheln hat</translation>
    </message>
    <message>
        <source>By the root of the size: between the two</source>
        <translation>Nach der Wurzel der Größe: zwischen beiden</translation>
    </message>
    <message>
        <source>Equal: all alike</source>
        <translation>Gleich: alle gleich oft</translation>
    </message>
    <message>
        <source>Inner steps</source>
        <translation>Innere Schritte</translation>
    </message>
    <message>
        <source>Inner learning rate</source>
        <translation>Innere Lernrate</translation>
    </message>
    <message>
        <source>Outer learning rate</source>
        <translation>Äußere Lernrate</translation>
    </message>
    <message>
        <source>Compare with each task alone</source>
        <translation>Mit jeder Aufgabe allein vergleichen</translation>
    </message>
    <message>
        <source>Class weights</source>
        <translation>Klassengewichte</translation>
    </message>
    <message>
        <source>None: all labels count alike</source>
        <translation>Keine: alle Labels zählen gleich</translation>
    </message>
    <message>
        <source>Balanced: rare classes count more</source>
        <translation>Ausgeglichen: seltene Klassen zählen mehr</translation>
    </message>
    <message>
        <source>Automatic: full; series none</source>
        <translation>Automatisch: voll; Zeitreihen keine</translation>
    </message>
    <message>
        <source>Full: also brightness, blur, missing bands and speckle</source>
        <translation>Voll: auch Helligkeit, Unschärfe, fehlende Kanäle und Speckle</translation>
    </message>
    <message>
        <source>Mean score of the tasks on their validation tiles; 1 where nothing is left to gain</source>
        <translation>Mittlerer Wert der Aufgaben auf ihren Validierungskacheln; 1, wo nichts mehr zu verbessern ist</translation>
    </message>
    <message>
        <source>Import encoder</source>
        <translation>Encoder importieren</translation>
    </message>
    <message>
        <source>Weights</source>
        <translation>Gewichte</translation>
    </message>
    <message>
        <source>Bands of the weights</source>
        <translation>Kanäle der Gewichte</translation>
    </message>
    <message>
        <source>Sensor of the weights</source>
        <translation>Sensor der Gewichte</translation>
    </message>
    <message>
        <source>The weights expect</source>
        <translation>Die Gewichte erwarten</translation>
    </message>
    <message>
        <source>Unknown: the first layer is left as it is</source>
        <translation>Unbekannt: die erste Schicht bleibt, wie sie ist</translation>
    </message>
    <message>
        <source>Standardised: mean 0 and deviation 1 in each band</source>
        <translation>Standardisiert: Mittel 0 und Abweichung 1 in jedem Kanal</translation>
    </message>
    <message>
        <source>Reflectance from 0 to 1, of Sentinel-2</source>
        <translation>Reflexion von 0 bis 1, von Sentinel-2</translation>
    </message>
    <message>
        <source>Bands of your images</source>
        <translation>Kanäle Ihrer Bilder</translation>
    </message>
    <message>
        <source>Bands the weights do not have</source>
        <translation>Kanäle, die den Gewichten fehlen</translation>
    </message>
    <message>
        <source>Mean: that of the weights' bands</source>
        <translation>Mittel: das der Kanäle der Gewichte</translation>
    </message>
    <message>
        <source>New: at random</source>
        <translation>Neu: zufällig</translation>
    </message>
    <message>
        <source>Licence</source>
        <translation>Lizenz</translation>
    </message>
    <message>
        <source>Paper</source>
        <translation>Veröffentlichung</translation>
    </message>
    <message>
        <source>Encoder folder</source>
        <translation>Ordner des Encoders</translation>
    </message>
    <message>
        <source>Weights of the encoder</source>
        <translation>Gewichte des Encoders</translation>
    </message>
    <message>
        <source>Table of what became of each tensor</source>
        <translation>Tabelle: was aus jedem Tensor wurde</translation>
    </message>
    <message>
        <source>Report of the import</source>
        <translation>Bericht des Imports</translation>
    </message>
    <message>
        <source>Architecture of the encoder</source>
        <translation>Architektur des Encoders</translation>
    </message>
    <message>
        <source>Tensors of the file that were taken</source>
        <translation>Übernommene Tensoren der Datei</translation>
    </message>
    <message>
        <source>Tensors that were adapted to other bands</source>
        <translation>An andere Kanäle angepasste Tensoren</translation>
    </message>
    <message>
        <source>Tensors of the file that were not used</source>
        <translation>Nicht verwendete Tensoren der Datei</translation>
    </message>
    <message>
        <source>Share encoder</source>
        <translation>Encoder weitergeben</translation>
    </message>
    <message>
        <source>Name</source>
        <translation>Name</translation>
    </message>
    <message>
        <source>Title</source>
        <translation>Titel</translation>
    </message>
    <message>
        <source>Trained on</source>
        <translation>Trainiert auf</translation>
    </message>
    <message>
        <source>Address</source>
        <translation>Adresse</translation>
    </message>
    <message>
        <source>Project</source>
        <translation>Projekt</translation>
    </message>
    <message>
        <source>Folder to share</source>
        <translation>Weiterzugebender Ordner</translation>
    </message>
    <message>
        <source>Card of the encoder</source>
        <translation>Karte des Encoders</translation>
    </message>
    <message>
        <source>What others give as starting weights</source>
        <translation>Was andere als Startgewichte angeben</translation>
    </message>
    <message>
        <source>SHA-256 of the weights</source>
        <translation>SHA-256 der Gewichte</translation>
    </message>
    <message>
        <source>Size of the weights, in megabytes</source>
        <translation>Größe der Gewichte, in Megabyte</translation>
    </message>
    <message>
        <source>Fine-tune a model</source>
        <translation>Modell feinabstimmen</translation>
    </message>
    <message>
        <source>Training dataset</source>
        <translation>Trainingsdatensatz</translation>
    </message>
    <message>
        <source>Approach</source>
        <translation>Ansatz</translation>
    </message>
    <message>
        <source>Automatic: the best of statistics, boosting and network</source>
        <translation>Automatisch: das Beste aus Statistik, Boosting und Netz</translation>
    </message>
    <message>
        <source>Statistics: a regression on them, in seconds</source>
        <translation>Statistik: eine Regression auf Statistikwerten, in Sekunden</translation>
    </message>
    <message>
        <source>Boosting: boosted trees on statistics</source>
        <translation>Boosting: geboostete Bäume auf Statistikwerten</translation>
    </message>
    <message>
        <source>Network: starts at the regression</source>
        <translation>Netz: beginnt bei der Regression</translation>
    </message>
    <message>
        <source>Features: a regression on what starting weights see</source>
        <translation>Merkmale: eine Regression auf dem, was Startgewichte sehen</translation>
    </message>
    <message>
        <source>Band: seen like the other bands</source>
        <translation>Kanal: wird wie die anderen Kanäle behandelt</translation>
    </message>
    <message>
        <source>None: left out, and not needed by a map</source>
        <translation>Keiner: weggelassen, für eine Karte nicht nötig</translation>
    </message>
    <message>
        <source>Slope: backscatter is brought to one angle</source>
        <translation>Neigung: Rückstreuung wird auf einen Winkel umgerechnet</translation>
    </message>
    <message>
        <source>Gaussian: how likely each class is at this angle</source>
        <translation>Gauß: wie wahrscheinlich jede Klasse bei diesem Winkel ist</translation>
    </message>
    <message>
        <source>Fusion</source>
        <translation>Fusion</translation>
    </message>
    <message>
        <source>None: one sensor</source>
        <translation>Keine: ein Sensor</translation>
    </message>
    <message>
        <source>Early: the bands of both, as if of one sensor</source>
        <translation>Früh: die Kanäle beider, wie von einem Sensor</translation>
    </message>
    <message>
        <source>Feature: an encoder for each, joined at the end</source>
        <translation>Merkmale: ein Encoder für jeden, am Ende verbunden</translation>
    </message>
    <message>
        <source>All levels: an encoder for each, joined at every level</source>
        <translation>Alle Ebenen: ein Encoder für jeden, auf jeder Ebene verbunden</translation>
    </message>
    <message>
        <source>Gated: weighs both, and maps where one is missing</source>
        <translation>Gewichtet: wägt beide ab und kartiert auch, wo einer fehlt</translation>
    </message>
    <message>
        <source>Mean of heads: a network each; maps where one is missing</source>
        <translation>Mittel der Köpfe: je ein Netz; kartiert auch, wo einer fehlt</translation>
    </message>
    <message>
        <source>Starting weights of the second sensor</source>
        <translation>Startgewichte des zweiten Sensors</translation>
    </message>
    <message>
        <source>Context [px]</source>
        <translation>Umgebung [px]</translation>
    </message>
    <message>
        <source>Loss</source>
        <translation>Verlustfunktion</translation>
    </message>
    <message>
        <source>Cross entropy: for labels one can trust</source>
        <translation>Kreuzentropie: für verlässliche Labels</translation>
    </message>
    <message>
        <source>Focal: looks at what is not known yet</source>
        <translation>Focal: achtet auf das, was noch nicht gelernt ist</translation>
    </message>
    <message>
        <source>Dice: counts each class alike</source>
        <translation>Dice: zählt jede Klasse gleich</translation>
    </message>
    <message>
        <source>Lovász: for the mean IoU, counts each class alike</source>
        <translation>Lovász: für den mittleren IoU, zählt jede Klasse gleich</translation>
    </message>
    <message>
        <source>Tversky: a miss costs more than a false alarm</source>
        <translation>Tversky: Übersehenes kostet mehr als ein Fehlalarm</translation>
    </message>
    <message>
        <source>Generalised cross entropy: forgives wrong labels</source>
        <translation>Verallgemeinerte Kreuzentropie: verzeiht falsche Labels</translation>
    </message>
    <message>
        <source>Symmetric cross entropy: forgives wrong labels</source>
        <translation>Symmetrische Kreuzentropie: verzeiht falsche Labels</translation>
    </message>
    <message>
        <source>Soft labels: the shares of the classes in a pixel</source>
        <translation>Weiche Labels: die Anteile der Klassen in einem Pixel</translation>
    </message>
    <message>
        <source>Purity smoothing: trusts pure pixels more</source>
        <translation>Reinheitsglättung: vertraut reinen Pixeln mehr</translation>
    </message>
    <message>
        <source>Share of the training labels [%]</source>
        <translation>Anteil der Trainings-Labels [%]</translation>
    </message>
    <message>
        <source>Spread the labels</source>
        <translation>Labels ausbreiten</translation>
    </message>
    <message>
        <source>Automatic: where very few tiles have a label</source>
        <translation>Automatisch: wo sehr wenige Kacheln ein Label haben</translation>
    </message>
    <message>
        <source>Yes</source>
        <translation>Ja</translation>
    </message>
    <message>
        <source>No</source>
        <translation>Nein</translation>
    </message>
    <message>
        <source>Learn for early answers</source>
        <translation>Für frühe Ergebnisse trainieren</translation>
    </message>
    <message>
        <source>Steps per epoch</source>
        <translation>Schritte je Epoche</translation>
    </message>
    <message>
        <source>Averaging of the weights</source>
        <translation>Mittelung der Gewichte</translation>
    </message>
    <message>
        <source>Weights that are kept</source>
        <translation>Gewichte, die behalten werden</translation>
    </message>
    <message>
        <source>Automatic: best; last with fewer than 10 validation tiles</source>
        <translation>Automatisch: beste; letzte bei weniger als 10 Validierungskacheln</translation>
    </message>
    <message>
        <source>Best epoch on the validation tiles</source>
        <translation>Beste Epoche auf den Validierungskacheln</translation>
    </message>
    <message>
        <source>Last epoch, so that validation tiles decide nothing</source>
        <translation>Letzte Epoche, sodass Validierungskacheln nichts entscheiden</translation>
    </message>
    <message>
        <source>Automatic: flips; radar scenes full; series none</source>
        <translation>Automatisch: Spiegelungen; Radarszenen voll; Zeitreihen keine</translation>
    </message>
    <message>
        <source>Fine-tune: all of the network learns</source>
        <translation>Feinabstimmen: das ganze Netz lernt</translation>
    </message>
    <message>
        <source>Frozen: all but the encoder</source>
        <translation>Eingefroren: alles außer dem Encoder</translation>
    </message>
    <message>
        <source>Last blocks: of the encoder only the last stage</source>
        <translation>Letzte Blöcke: vom Encoder nur die letzte Stufe</translation>
    </message>
    <message>
        <source>Discriminative: the encoder learns slower</source>
        <translation>Abgestuft: der Encoder lernt langsamer</translation>
    </message>
    <message>
        <source>Probe: a linear classifier on the features</source>
        <translation>Probing: ein linearer Klassifikator auf den Merkmalen</translation>
    </message>
    <message>
        <source>Nearest neighbours: as the five most alike images</source>
        <translation>Nächste Nachbarn: wie die fünf ähnlichsten Bilder</translation>
    </message>
    <message>
        <source>Approach that is kept: statistics, boosting, or network, which “features” is, too</source>
        <translation>Behaltener Ansatz: Statistik, Boosting oder Netz, zu dem auch „features“ gehört</translation>
    </message>
    <message>
        <source>Mean intersection over union (IoU) of the classes on the validation tiles, 0 to 1; of a class per pixel</source>
        <translation>Mittlerer IoU (Schnittmenge durch Vereinigungsmenge) der Klassen auf den Validierungskacheln, 0 bis 1; bei einer Klasse je Pixel</translation>
    </message>
    <message>
        <source>Share of the validation tiles with the right class, 0 to 1; of a class per tile</source>
        <translation>Anteil der Validierungskacheln mit der richtigen Klasse, 0 bis 1; bei einer Klasse je Kachel</translation>
    </message>
    <message>
        <source>Mean average precision on the validation tiles, 0 to 1; of several classes per tile</source>
        <translation>Mittlere Average Precision auf den Validierungskacheln, 0 bis 1; bei mehreren Klassen je Kachel</translation>
    </message>
    <message>
        <source>Share of the labelled training tiles that was learned from [%]</source>
        <translation>Anteil der Trainingskacheln mit Label, von denen gelernt wurde [%]</translation>
    </message>
    <message>
        <source>Evaluate model</source>
        <translation>Modell bewerten</translation>
    </message>
    <message>
        <source>Test tiles</source>
        <translation>Testkacheln</translation>
    </message>
    <message>
        <source>Validation tiles</source>
        <translation>Validierungskacheln</translation>
    </message>
    <message>
        <source>All tiles, of another dataset</source>
        <translation>Alle Kacheln, eines anderen Datensatzes</translation>
    </message>
    <message>
        <source>Independent points</source>
        <translation>Unabhängige Punkte</translation>
    </message>
    <message>
        <source>Class field of the points</source>
        <translation>Feld mit der Klasse der Punkte</translation>
    </message>
    <message>
        <source>Model of several runs</source>
        <translation>Modell mehrerer Läufe</translation>
    </message>
    <message>
        <source>Subset</source>
        <translation>Teilmenge</translation>
    </message>
    <message>
        <source>Sensors</source>
        <translation>Sensoren</translation>
    </message>
    <message>
        <source>LUCAS points</source>
        <translation>LUCAS-Punkte</translation>
    </message>
    <message>
        <source>Table of classes</source>
        <translation>Tabelle der Klassen</translation>
    </message>
    <message>
        <source>Reference lines</source>
        <translation>Referenzlinien</translation>
    </message>
    <message>
        <source>Judged places</source>
        <translation>Beurteilte Orte</translation>
    </message>
    <message>
        <source>Errors of each tile</source>
        <translation>Fehler jeder Kachel</translation>
    </message>
    <message>
        <source>Places where the map may lack a road</source>
        <translation>Orte, an denen der Karte eine Straße fehlen kann</translation>
    </message>
    <message>
        <source>Figures as JSON</source>
        <translation>Zahlen als JSON</translation>
    </message>
    <message>
        <source>Mean intersection over union (IoU) of the model, 0 to 1</source>
        <translation>Mittlerer IoU des Modells, 0 bis 1</translation>
    </message>
    <message>
        <source>Mean intersection over union (IoU) of a map of the most frequent class alone, 0 to 1</source>
        <translation>Mittlerer IoU einer Karte, die nur die häufigste Klasse zeigt, 0 bis 1</translation>
    </message>
    <message>
        <source>Mean intersection over union (IoU) of a regression on statistics of the bands, 0 to 1</source>
        <translation>Mittlerer IoU einer Regression auf Statistikwerten der Kanäle, 0 bis 1</translation>
    </message>
    <message>
        <source>Mean intersection over union (IoU) of boosted trees on statistics of the bands, 0 to 1</source>
        <translation>Mittlerer IoU geboosteter Bäume auf Statistikwerten der Kanäle, 0 bis 1</translation>
    </message>
    <message>
        <source>Mean intersection over union (IoU) of a regression on the incidence angle alone, 0 to 1</source>
        <translation>Mittlerer IoU einer Regression allein auf dem Einfallswinkel, 0 bis 1</translation>
    </message>
    <message>
        <source>Mean intersection over union (IoU) of a Gaussian classifier with the incidence angle, 0 to 1</source>
        <translation>Mittlerer IoU eines Gauß-Klassifikators mit dem Einfallswinkel, 0 bis 1</translation>
    </message>
    <message>
        <source>Overall accuracy of the model, 0 to 1</source>
        <translation>Gesamtgenauigkeit des Modells, 0 bis 1</translation>
    </message>
    <message>
        <source>Overall accuracy of a map of the most frequent class alone, 0 to 1</source>
        <translation>Gesamtgenauigkeit einer Karte, die nur die häufigste Klasse zeigt, 0 bis 1</translation>
    </message>
    <message>
        <source>Overall accuracy of a regression on statistics of the bands, 0 to 1</source>
        <translation>Gesamtgenauigkeit einer Regression auf Statistikwerten der Kanäle, 0 bis 1</translation>
    </message>
    <message>
        <source>Overall accuracy of boosted trees on statistics of the bands, 0 to 1</source>
        <translation>Gesamtgenauigkeit geboosteter Bäume auf Statistikwerten der Kanäle, 0 bis 1</translation>
    </message>
    <message>
        <source>Overall accuracy of a regression on the incidence angle alone, 0 to 1</source>
        <translation>Gesamtgenauigkeit einer Regression allein auf dem Einfallswinkel, 0 bis 1</translation>
    </message>
    <message>
        <source>Overall accuracy of a Gaussian classifier with the incidence angle, 0 to 1</source>
        <translation>Gesamtgenauigkeit eines Gauß-Klassifikators mit dem Einfallswinkel, 0 bis 1</translation>
    </message>
    <message>
        <source>Mean F1 score of the model, 0 to 1</source>
        <translation>Mittlerer F1-Wert des Modells, 0 bis 1</translation>
    </message>
    <message>
        <source>Mean F1 score of a map of the most frequent class alone, 0 to 1</source>
        <translation>Mittlerer F1-Wert einer Karte, die nur die häufigste Klasse zeigt, 0 bis 1</translation>
    </message>
    <message>
        <source>Mean F1 score of a regression on statistics of the bands, 0 to 1</source>
        <translation>Mittlerer F1-Wert einer Regression auf Statistikwerten der Kanäle, 0 bis 1</translation>
    </message>
    <message>
        <source>Mean F1 score of boosted trees on statistics of the bands, 0 to 1</source>
        <translation>Mittlerer F1-Wert geboosteter Bäume auf Statistikwerten der Kanäle, 0 bis 1</translation>
    </message>
    <message>
        <source>Mean F1 score of a regression on the incidence angle alone, 0 to 1</source>
        <translation>Mittlerer F1-Wert einer Regression allein auf dem Einfallswinkel, 0 bis 1</translation>
    </message>
    <message>
        <source>Mean F1 score of a Gaussian classifier with the incidence angle, 0 to 1</source>
        <translation>Mittlerer F1-Wert eines Gauß-Klassifikators mit dem Einfallswinkel, 0 bis 1</translation>
    </message>
    <message>
        <source>Mean average precision of the model, 0 to 1</source>
        <translation>Mittlere Average Precision des Modells, 0 bis 1</translation>
    </message>
    <message>
        <source>Mean average precision of a map of the most frequent class alone, 0 to 1</source>
        <translation>Mittlere Average Precision einer Karte, die nur die häufigste Klasse zeigt, 0 bis 1</translation>
    </message>
    <message>
        <source>Mean average precision of a regression on statistics of the bands, 0 to 1</source>
        <translation>Mittlere Average Precision einer Regression auf Statistikwerten der Kanäle, 0 bis 1</translation>
    </message>
    <message>
        <source>Mean average precision of boosted trees on statistics of the bands, 0 to 1</source>
        <translation>Mittlere Average Precision geboosteter Bäume auf Statistikwerten der Kanäle, 0 bis 1</translation>
    </message>
    <message>
        <source>Mean average precision of a regression on the incidence angle alone, 0 to 1</source>
        <translation>Mittlere Average Precision einer Regression allein auf dem Einfallswinkel, 0 bis 1</translation>
    </message>
    <message>
        <source>Mean average precision of a Gaussian classifier with the incidence angle, 0 to 1</source>
        <translation>Mittlere Average Precision eines Gauß-Klassifikators mit dem Einfallswinkel, 0 bis 1</translation>
    </message>
    <message>
        <source>Precision of the fields that the model finds, 0 to 1</source>
        <translation>Präzision der Felder, die das Modell findet, 0 bis 1</translation>
    </message>
    <message>
        <source>Recall of the fields that the model finds, 0 to 1</source>
        <translation>Trefferquote der Felder, die das Modell findet, 0 bis 1</translation>
    </message>
    <message>
        <source>F1 score of the fields that the model finds, 0 to 1</source>
        <translation>F1-Wert der Felder, die das Modell findet, 0 bis 1</translation>
    </message>
    <message>
        <source>Compare pretraining</source>
        <translation>Vortraining vergleichen</translation>
    </message>
    <message>
        <source>Second starting weights</source>
        <translation>Zweite Startgewichte</translation>
    </message>
    <message>
        <source>Third starting weights</source>
        <translation>Dritte Startgewichte</translation>
    </message>
    <message>
        <source>Fourth starting weights</source>
        <translation>Vierte Startgewichte</translation>
    </message>
    <message>
        <source>Shares of the training labels [%]</source>
        <translation>Anteile der Trainings-Labels [%]</translation>
    </message>
    <message>
        <source>Draws</source>
        <translation>Ziehungen</translation>
    </message>
    <message>
        <source>Scored tiles</source>
        <translation>Bewertete Kacheln</translation>
    </message>
    <message>
        <source>Ways of learning</source>
        <translation>Lernverfahren</translation>
    </message>
    <message>
        <source>Steps of a training</source>
        <translation>Schritte eines Trainings</translation>
    </message>
    <message>
        <source>Longer trainings</source>
        <translation>Längere Trainings</translation>
    </message>
    <message>
        <source>Choose the rates</source>
        <translation>Lernraten wählen</translation>
    </message>
    <message>
        <source>Processes</source>
        <translation>Prozesse</translation>
    </message>
    <message>
        <source>Only tell what would be done</source>
        <translation>Nur anzeigen, was getan würde</translation>
    </message>
    <message>
        <source>Folder of the comparison</source>
        <translation>Ordner des Vergleichs</translation>
    </message>
    <message>
        <source>Report of the comparison</source>
        <translation>Bericht des Vergleichs</translation>
    </message>
    <message>
        <source>A sentence for each start, and where no network is above the simple classifiers</source>
        <translation>Ein Satz zu jedem Start, und wo kein Netz über den einfachen Klassifikatoren liegt</translation>
    </message>
    <message>
        <source>Figures of the comparison: a training or a simple classifier each</source>
        <translation>Zahlen des Vergleichs: je ein Training oder ein einfacher Klassifikator</translation>
    </message>
    <message>
        <source>Of these, how many are trainings of a network</source>
        <translation>Wie viele davon Trainings eines Netzes sind</translation>
    </message>
    <message>
        <source>Of these, how many this run computed</source>
        <translation>Wie viele davon dieser Lauf berechnete</translation>
    </message>
    <message>
        <source>Estimated duration of what was missing, in minutes; empty where to estimate it takes as long</source>
        <translation>Geschätzte Dauer des Fehlenden, in Minuten; leer, wo das Schätzen ebenso lange dauert</translation>
    </message>
    <message>
        <source>Export model</source>
        <translation>Modell exportieren</translation>
    </message>
    <message>
        <source>More runs of the same training</source>
        <translation>Weitere Läufe desselben Trainings</translation>
    </message>
    <message>
        <source>Translate from</source>
        <translation>Ausgangssensor der Übersetzung</translation>
    </message>
    <message>
        <source>Model name</source>
        <translation>Name des Modells</translation>
    </message>
    <message>
        <source>Fixed tile [px]</source>
        <translation>Feste Kachelgröße [px]</translation>
    </message>
    <message>
        <source>Largest difference allowed</source>
        <translation>Größter erlaubter Unterschied</translation>
    </message>
    <message>
        <source>Largest difference between the results of the file and of the network</source>
        <translation>Größter Unterschied zwischen den Ergebnissen der Datei und des Netzes</translation>
    </message>
    <message>
        <source>Identifier of the model, which its maps name</source>
        <translation>Kennung des Modells, die seine Karten nennen</translation>
    </message>
    <message>
        <source>Inspect model</source>
        <translation>Modell ansehen</translation>
    </message>
    <message>
        <source>Description</source>
        <translation>Beschreibung</translation>
    </message>
    <message>
        <source>Description as JSON</source>
        <translation>Beschreibung als JSON</translation>
    </message>
    <message>
        <source>What the model does: segmentation, fields, scene, patch, multilabel, series, tiles in time or translation</source>
        <translation>Was das Modell tut: segmentation, fields, scene, patch, multilabel, series, tiles in time oder translation</translation>
    </message>
    <message>
        <source>Bands that the model takes, in order</source>
        <translation>Kanäle, die das Modell braucht, in ihrer Reihenfolge</translation>
    </message>
    <message>
        <source>Names of the classes that the model gives</source>
        <translation>Namen der Klassen, die das Modell ausgibt</translation>
    </message>
    <message>
        <source>Names of its targets, the main one first; empty where it has a single one</source>
        <translation>Namen seiner Zielgrößen, die wichtigste zuerst; leer, wo es nur eine hat</translation>
    </message>
    <message>
        <source>Bands that the model gives, where it translates</source>
        <translation>Kanäle, die das Modell ausgibt, wo es übersetzt</translation>
    </message>
    <message>
        <source>Size of a pixel of the images it was trained on, in metres</source>
        <translation>Größe eines Pixels der Bilder, auf denen es trainiert wurde, in Metern</translation>
    </message>
    <message>
        <source>Models in the file whose mean it gives; 1 of a single one</source>
        <translation>Modelle in der Datei, deren Mittel sie ausgibt; 1 bei einem einzelnen</translation>
    </message>
    <message>
        <source>Seeds of these; empty of a single one</source>
        <translation>Startwerte (Seeds) davon; leer bei einem einzelnen</translation>
    </message>
    <message>
        <source>Map from points</source>
        <translation>Karte aus Punkten</translation>
    </message>
    <message>
        <source>Extent of the map</source>
        <translation>Ausdehnung der Karte</translation>
    </message>
    <message>
        <source>Automatic: the better of both</source>
        <translation>Automatisch: das Bessere von beiden</translation>
    </message>
    <message>
        <source>Statistics: logistic regression</source>
        <translation>Statistik: logistische Regression</translation>
    </message>
    <message>
        <source>Boosting: boosted trees</source>
        <translation>Boosting: geboostete Bäume</translation>
    </message>
    <message>
        <source>Class map</source>
        <translation>Klassenkarte</translation>
    </message>
    <message>
        <source>Confidence</source>
        <translation>Konfidenz</translation>
    </message>
    <message>
        <source>Area of applicability</source>
        <translation>Anwendbarkeitsbereich</translation>
    </message>
    <message>
        <source>Mean intersection over union (IoU) where places were held out, 0 to 1</source>
        <translation>Mittlerer IoU, wo Orte zurückgehalten wurden, 0 bis 1</translation>
    </message>
    <message>
        <source>Overall accuracy where places were held out, 0 to 1</source>
        <translation>Gesamtgenauigkeit, wo Orte zurückgehalten wurden, 0 bis 1</translation>
    </message>
    <message>
        <source>What the model is: statistics or boosting</source>
        <translation>Was das Modell ist: Statistik oder Boosting</translation>
    </message>
    <message>
        <source>Share of the map that is unlike all ground that the model learned from, 0 to 1; where the area of applicability is written</source>
        <translation>Anteil der Karte, der allen Flächen unähnlich ist, von denen das Modell lernte, 0 bis 1; wo der Anwendbarkeitsbereich geschrieben wird</translation>
    </message>
    <message>
        <source>Pixels of the image with a label and a measurement</source>
        <translation>Pixel des Bildes mit Label und Messwert</translation>
    </message>
    <message>
        <source>Pixels with a label that are left out because cloud or shadow hides them</source>
        <translation>Pixel mit Label, die weggelassen sind, weil Wolke oder Schatten sie verdeckt</translation>
    </message>
    <message>
        <source>Duration from the labels to the map, in seconds</source>
        <translation>Dauer von den Labels zur Karte, in Sekunden</translation>
    </message>
    <message>
        <source>Predict map</source>
        <translation>Karte vorhersagen</translation>
    </message>
    <message>
        <source>Second image</source>
        <translation>Zweites Bild</translation>
    </message>
    <message>
        <source>Sensor of the second image</source>
        <translation>Sensor des zweiten Bildes</translation>
    </message>
    <message>
        <source>Bands of the second image</source>
        <translation>Kanäle des zweiten Bildes</translation>
    </message>
    <message>
        <source>Nodata value of the second image</source>
        <translation>Nodata-Wert des zweiten Bildes</translation>
    </message>
    <message>
        <source>Several rasters are</source>
        <translation>Mehrere Raster sind</translation>
    </message>
    <message>
        <source>Bands of one scene</source>
        <translation>Kanäle einer Szene</translation>
    </message>
    <message>
        <source>Scenes beside each other: the first in the list on top</source>
        <translation>Szenen nebeneinander: die erste der Liste oben</translation>
    </message>
    <message>
        <source>Scenes beside each other: the last in the list on top</source>
        <translation>Szenen nebeneinander: die letzte der Liste oben</translation>
    </message>
    <message>
        <source>Scenes beside each other: the newest on top</source>
        <translation>Szenen nebeneinander: die neueste oben</translation>
    </message>
    <message>
        <source>Coordinate system of the mosaic</source>
        <translation>Koordinatensystem des Mosaiks</translation>
    </message>
    <message>
        <source>Pixels of the mosaic</source>
        <translation>Pixel des Mosaiks</translation>
    </message>
    <message>
        <source>Halo [px]</source>
        <translation>Rand [px]</translation>
    </message>
    <message>
        <source>Step [px]</source>
        <translation>Schritt [px]</translation>
    </message>
    <message>
        <source>Target</source>
        <translation>Zielgröße</translation>
    </message>
    <message>
        <source>Speed</source>
        <translation>Geschwindigkeit</translation>
    </message>
    <message>
        <source>Exact (float32)</source>
        <translation>Genau (float32)</translation>
    </message>
    <message>
        <source>Fast (bfloat16); a few pixels get another class</source>
        <translation>Schnell (bfloat16); einige Pixel bekommen eine andere Klasse</translation>
    </message>
    <message>
        <source>Smallest polygon [m²]</source>
        <translation>Kleinstes Polygon [m²]</translation>
    </message>
    <message>
        <source>Classes as polygons</source>
        <translation>Klassen als Polygone</translation>
    </message>
    <message>
        <source>Runner-up</source>
        <translation>Zweitbeste Klasse</translation>
    </message>
    <message>
        <source>Margin</source>
        <translation>Vorsprung</translation>
    </message>
    <message>
        <source>Class shares</source>
        <translation>Klassenanteile</translation>
    </message>
    <message>
        <source>Out of range</source>
        <translation>Außerhalb des Bereichs</translation>
    </message>
    <message>
        <source>Disagreement</source>
        <translation>Uneinigkeit</translation>
    </message>
    <message>
        <source>Which sensor</source>
        <translation>Welcher Sensor</translation>
    </message>
    <message>
        <source>Map report</source>
        <translation>Kartenbericht</translation>
    </message>
    <message>
        <source>Maps of further targets</source>
        <translation>Karten weiterer Zielgrößen</translation>
    </message>
    <message>
        <source>Share of the valid pixels outside the training range of the model, in the worst band, 0 to 1</source>
        <translation>Anteil der gültigen Pixel außerhalb des Trainingsbereichs des Modells, im schlechtesten Kanal, 0 bis 1</translation>
    </message>
    <message>
        <source>Share of the map whose values, taken together, lie farther out than those of 99 of 100 training places, 0 to 1; where “Out of range” is written</source>
        <translation>Anteil der Karte, deren Werte zusammengenommen weiter außen liegen als die von 99 von 100 Trainingsorten, 0 bis 1; wo „Außerhalb des Bereichs“ geschrieben wird</translation>
    </message>
    <message>
        <source>Share of the pixels that have a result, 0 to 1</source>
        <translation>Anteil der Pixel mit einem Ergebnis, 0 bis 1</translation>
    </message>
    <message>
        <source>Duration of the mapping, in seconds</source>
        <translation>Dauer der Kartierung, in Sekunden</translation>
    </message>
    <message>
        <source>Map a series</source>
        <translation>Zeitreihe kartieren</translation>
    </message>
    <message>
        <source>Arrangement</source>
        <translation>Anordnung</translation>
    </message>
    <message>
        <source>Dates: each raster has all bands of a date</source>
        <translation>Termine: jedes Raster hat alle Kanäle eines Termins</translation>
    </message>
    <message>
        <source>Bands: one raster for each band of a date</source>
        <translation>Kanäle: ein Raster für jeden Kanal eines Termins</translation>
    </message>
    <message>
        <source>Dates that the model looked at</source>
        <translation>Termine, die das Modell ansah</translation>
    </message>
    <message>
        <source>Map land cover</source>
        <translation>Landbedeckung kartieren</translation>
    </message>
    <message>
        <source>Smallest area [m²]</source>
        <translation>Mindestfläche [m²]</translation>
    </message>
    <message>
        <source>Simplification [m]</source>
        <translation>Vereinfachung [m]</translation>
    </message>
    <message>
        <source>Earlier map</source>
        <translation>Frühere Karte</translation>
    </message>
    <message>
        <source>Land cover</source>
        <translation>Landbedeckung</translation>
    </message>
    <message>
        <source>Table of areas</source>
        <translation>Tabelle der Flächen</translation>
    </message>
    <message>
        <source>Change</source>
        <translation>Veränderung</translation>
    </message>
    <message>
        <source>Table of change</source>
        <translation>Tabelle der Veränderung</translation>
    </message>
    <message>
        <source>Classes that the map shows</source>
        <translation>Klassen, die die Karte zeigt</translation>
    </message>
    <message>
        <source>Share of the pixels that got the class of a neighbour, 0 to 1</source>
        <translation>Anteil der Pixel, die die Klasse eines Nachbarn bekamen, 0 bis 1</translation>
    </message>
    <message>
        <source>With polygons: how many</source>
        <translation>Mit Polygonen: wie viele</translation>
    </message>
    <message>
        <source>With an earlier map: hectares on which the classes differ</source>
        <translation>Mit einer früheren Karte: Hektar, auf denen die Klassen sich unterscheiden</translation>
    </message>
    <message>
        <source>With an earlier map: hectares of change that mistakes of the model alone would show, if those of the two dates are independent</source>
        <translation>Mit einer früheren Karte: Hektar Veränderung, die Fehler des Modells allein zeigen würden, wenn die der zwei Termine unabhängig sind</translation>
    </message>
    <message>
        <source>Map crop types</source>
        <translation>Kulturen kartieren</translation>
    </message>
    <message>
        <source>Mask</source>
        <translation>Maske</translation>
    </message>
    <message>
        <source>Whole image</source>
        <translation>Ganzes Bild</translation>
    </message>
    <message>
        <source>Crops</source>
        <translation>Kulturen</translation>
    </message>
    <message>
        <source>Hectares by crop</source>
        <translation>Hektar je Kultur</translation>
    </message>
    <message>
        <source>Parcels in the new layer</source>
        <translation>Parzellen im neuen Layer</translation>
    </message>
    <message>
        <source>Parcels that got a crop</source>
        <translation>Parzellen, die eine Kultur bekamen</translation>
    </message>
    <message>
        <source>Parcels with too few clear dates</source>
        <translation>Parzellen mit zu wenigen wolkenfreien Terminen</translation>
    </message>
    <message>
        <source>Parcels without a pixel far enough inside</source>
        <translation>Parzellen ohne ein Pixel weit genug innen</translation>
    </message>
    <message>
        <source>Area with a crop, in hectares</source>
        <translation>Fläche mit einer Kultur, in Hektar</translation>
    </message>
    <message>
        <source>Of a map of pixels: share of the area that has a result, 0 to 1</source>
        <translation>Bei einer Karte von Pixeln: Anteil der Fläche mit einem Ergebnis, 0 bis 1</translation>
    </message>
    <message>
        <source>The last of them</source>
        <translation>Der letzte davon</translation>
    </message>
    <message>
        <source>Map roads</source>
        <translation>Straßen kartieren</translation>
    </message>
    <message>
        <source>Known roads</source>
        <translation>Bekannte Straßen</translation>
    </message>
    <message>
        <source>Smallest length [m]</source>
        <translation>Mindestlänge [m]</translation>
    </message>
    <message>
        <source>Reference roads</source>
        <translation>Referenzstraßen</translation>
    </message>
    <message>
        <source>Longest gap to bridge [m]</source>
        <translation>Längste zu überbrückende Lücke [m]</translation>
    </message>
    <message>
        <source>Least probability to begin</source>
        <translation>Mindestwahrscheinlichkeit zum Beginnen</translation>
    </message>
    <message>
        <source>Least probability to continue</source>
        <translation>Mindestwahrscheinlichkeit zum Weiterführen</translation>
    </message>
    <message>
        <source>Largest bend at a gap [degree]</source>
        <translation>Größter Knick an einer Lücke [Grad]</translation>
    </message>
    <message>
        <source>Tolerance [m]</source>
        <translation>Toleranz [m]</translation>
    </message>
    <message>
        <source>New and unseen roads</source>
        <translation>Neue und nicht gesehene Straßen</translation>
    </message>
    <message>
        <source>Probability of road</source>
        <translation>Straßenwahrscheinlichkeit</translation>
    </message>
    <message>
        <source>Road pixels</source>
        <translation>Straßenpixel</translation>
    </message>
    <message>
        <source>Lines that were drawn</source>
        <translation>Gezeichnete Linien</translation>
    </message>
    <message>
        <source>Length of all lines, in kilometres</source>
        <translation>Länge aller Linien, in Kilometern</translation>
    </message>
    <message>
        <source>Gaps that were bridged</source>
        <translation>Überbrückte Lücken</translation>
    </message>
    <message>
        <source>With known roads: kilometres in the image alone</source>
        <translation>Mit bekannten Straßen: Kilometer allein im Bild</translation>
    </message>
    <message>
        <source>With known roads: kilometres of them that the image does not show</source>
        <translation>Mit bekannten Straßen: Kilometer davon, die das Bild nicht zeigt</translation>
    </message>
    <message>
        <source>With a reference: share of the length of the lines within the tolerance of it, 0 to 1</source>
        <translation>Mit Referenz: Anteil der Länge der Linien innerhalb der Toleranz um sie, 0 bis 1</translation>
    </message>
    <message>
        <source>With a reference: share of its length within the tolerance of the lines, 0 to 1</source>
        <translation>Mit Referenz: Anteil ihrer Länge innerhalb der Toleranz um die Linien, 0 bis 1</translation>
    </message>
    <message>
        <source>With a reference: harmonic mean of these two, 0 to 1</source>
        <translation>Mit Referenz: harmonisches Mittel dieser beiden, 0 bis 1</translation>
    </message>
    <message>
        <source>With a reference: average path length similarity, 0 to 1 (Van Etten et al. 2018)</source>
        <translation>Mit Referenz: Average Path Length Similarity, 0 bis 1 (Van Etten et al. 2018)</translation>
    </message>
    <message>
        <source>With a reference: F1 of TOPO, 0 to 1 (Biagioni and Eriksson 2012)</source>
        <translation>Mit Referenz: F1 von TOPO, 0 bis 1 (Biagioni und Eriksson 2012)</translation>
    </message>
    <message>
        <source>Map sea ice</source>
        <translation>Meereis kartieren</translation>
    </message>
    <message>
        <source>Cell [km]</source>
        <translation>Zelle [km]</translation>
    </message>
    <message>
        <source>Classes without ice</source>
        <translation>Klassen ohne Eis</translation>
    </message>
    <message>
        <source>Smallest polygon [km²]</source>
        <translation>Kleinstes Polygon [km²]</translation>
    </message>
    <message>
        <source>Concentration at the edge [%]</source>
        <translation>Konzentration an der Kante [%]</translation>
    </message>
    <message>
        <source>Sea ice</source>
        <translation>Meereis</translation>
    </message>
    <message>
        <source>Concentration</source>
        <translation>Konzentration</translation>
    </message>
    <message>
        <source>Ice edge</source>
        <translation>Eiskante</translation>
    </message>
    <message>
        <source>Ice chart</source>
        <translation>Eiskarte</translation>
    </message>
    <message>
        <source>Ice chart as shapefile</source>
        <translation>Eiskarte als Shapefile</translation>
    </message>
    <message>
        <source>Area of ice: concentration times measured sea, in square kilometres</source>
        <translation>Eisfläche: Konzentration mal gemessenes Meer, in Quadratkilometern</translation>
    </message>
    <message>
        <source>Measured sea of all cells with 15 % of ice or more, in square kilometres</source>
        <translation>Gemessenes Meer aller Zellen mit 15 % Eis oder mehr, in Quadratkilometern</translation>
    </message>
    <message>
        <source>With an ice edge: its length, in kilometres</source>
        <translation>Mit Eiskante: ihre Länge, in Kilometern</translation>
    </message>
    <message>
        <source>With a chart: how many polygons it has</source>
        <translation>Mit Eiskarte: wie viele Polygone sie hat</translation>
    </message>
    <message>
        <source>Share of the pixels that have a result, land included, 0 to 1</source>
        <translation>Anteil der Pixel mit einem Ergebnis, Land eingeschlossen, 0 bis 1</translation>
    </message>
    <message>
        <source>Map field boundaries</source>
        <translation>Feldgrenzen kartieren</translation>
    </message>
    <message>
        <source>Smallest field [ha]</source>
        <translation>Kleinstes Feld [ha]</translation>
    </message>
    <message>
        <source>Least probability of field</source>
        <translation>Mindestwahrscheinlichkeit eines Feldes</translation>
    </message>
    <message>
        <source>Least dip between fields</source>
        <translation>Mindestsenke zwischen Feldern</translation>
    </message>
    <message>
        <source>Fields</source>
        <translation>Felder</translation>
    </message>
    <message>
        <source>Fields that were drawn</source>
        <translation>Gezeichnete Felder</translation>
    </message>
    <message>
        <source>Area of all fields, in hectares</source>
        <translation>Fläche aller Felder, in Hektar</translation>
    </message>
    <message>
        <source>Compute embeddings</source>
        <translation>Embeddings berechnen</translation>
    </message>
    <message>
        <source>Number of bands</source>
        <translation>Zahl der Kanäle</translation>
    </message>
    <message>
        <source>Same as the images the encoder learned from</source>
        <translation>Wie die Bilder, mit denen der Encoder trainiert wurde</translation>
    </message>
    <message>
        <source>Embedding</source>
        <translation>Embedding</translation>
    </message>
    <message>
        <source>Model of the embedding</source>
        <translation>Modell des Embeddings</translation>
    </message>
    <message>
        <source>Version of the embedding, by which its bands are named</source>
        <translation>Version des Embeddings, nach der seine Kanäle heißen</translation>
    </message>
    <message>
        <source>Bands of the embedding</source>
        <translation>Kanäle des Embeddings</translation>
    </message>
    <message>
        <source>Draw an assessment sample</source>
        <translation>Stichprobe zur Beurteilung ziehen</translation>
    </message>
    <message>
        <source>Half width of the interval</source>
        <translation>Halbe Breite des Intervalls</translation>
    </message>
    <message>
        <source>Expected user's accuracy</source>
        <translation>Erwartete Nutzergenauigkeit</translation>
    </message>
    <message>
        <source>Expected accuracy of classes</source>
        <translation>Erwartete Genauigkeit von Klassen</translation>
    </message>
    <message>
        <source>Places of a rare class</source>
        <translation>Mindestzahl der Orte einer Klasse</translation>
    </message>
    <message>
        <source>Places in all</source>
        <translation>Orte insgesamt</translation>
    </message>
    <message>
        <source>Training labels</source>
        <translation>Trainings-Labels</translation>
    </message>
    <message>
        <source>Places drawn</source>
        <translation>Gezogene Orte</translation>
    </message>
    <message>
        <source>Half of the 95 % interval that the overall accuracy will have if the classes are as accurate as expected</source>
        <translation>Hälfte des 95-%-Intervalls, das die Gesamtgenauigkeit haben wird, wenn die Klassen so genau sind wie erwartet</translation>
    </message>
    <message>
        <source>Assess map</source>
        <translation>Karte beurteilen</translation>
    </message>
    <message>
        <source>Reference</source>
        <translation>Referenz</translation>
    </message>
    <message>
        <source>Places were drawn</source>
        <translation>Orte wurden gezogen</translation>
    </message>
    <message>
        <source>Automatic: as the sample itself says</source>
        <translation>Automatisch: wie die Stichprobe selbst sagt</translation>
    </message>
    <message>
        <source>By chance in each class of this map</source>
        <translation>Zufällig in jeder Klasse dieser Karte</translation>
    </message>
    <message>
        <source>By chance over the whole map, or on a grid</source>
        <translation>Zufällig über die ganze Karte oder auf einem Gitter</translation>
    </message>
    <message>
        <source>By chance in strata that a field names</source>
        <translation>Zufällig in Schichten, die ein Feld nennt</translation>
    </message>
    <message>
        <source>Otherwise, without intervals</source>
        <translation>Anders, ohne Intervalle</translation>
    </message>
    <message>
        <source>Polygons count</source>
        <translation>Von Polygonen zählt</translation>
    </message>
    <message>
        <source>One pixel of each, drawn by chance</source>
        <translation>Je ein Pixel, zufällig gezogen</translation>
    </message>
    <message>
        <source>Whole, with all pixels in them</source>
        <translation>Alles: alle Pixel darin</translation>
    </message>
    <message>
        <source>Classes of the reference are</source>
        <translation>Klassen der Referenz sind</translation>
    </message>
    <message>
        <source>Those of the map</source>
        <translation>Die der Karte</translation>
    </message>
    <message>
        <source>Codes of LUCAS land cover</source>
        <translation>Codes der LUCAS-Landbedeckung</translation>
    </message>
    <message>
        <source>Codes of Austrian field uses (SNAR)</source>
        <translation>Codes österreichischer Feldnutzung (SNAR)</translation>
    </message>
    <message>
        <source>Codes of EuroCrops (HCAT)</source>
        <translation>Codes von EuroCrops (HCAT)</translation>
    </message>
    <message>
        <source>Stratum field</source>
        <translation>Feld mit der Schicht</translation>
    </message>
    <message>
        <source>Stratum size field</source>
        <translation>Feld mit der Schichtgröße</translation>
    </message>
    <message>
        <source>Group field</source>
        <translation>Feld mit der Gruppe</translation>
    </message>
    <message>
        <source>Date field</source>
        <translation>Feld mit dem Tag</translation>
    </message>
    <message>
        <source>Small strata</source>
        <translation>Kleine Schichten</translation>
    </message>
    <message>
        <source>Refuse: stop with a message</source>
        <translation>Nicht erlaubt: mit einer Meldung anhalten</translation>
    </message>
    <message>
        <source>Merge: put them together</source>
        <translation>Zusammenlegen</translation>
    </message>
    <message>
        <source>Classes the map does not have</source>
        <translation>Klassen, die die Karte nicht hat</translation>
    </message>
    <message>
        <source>Errors: each such place is a mistake of the map</source>
        <translation>Zählen als Fehler der Karte</translation>
    </message>
    <message>
        <source>Places on training ground</source>
        <translation>Orte auf Trainingsflächen</translation>
    </message>
    <message>
        <source>Leave out: figures are of the other ground</source>
        <translation>Weglassen: die Zahlen gelten für die übrigen Flächen</translation>
    </message>
    <message>
        <source>Places, right or wrong</source>
        <translation>Orte, richtig oder falsch</translation>
    </message>
    <message>
        <source>Overall accuracy, weighted by area, 0 to 1</source>
        <translation>Gesamtgenauigkeit, nach Fläche gewichtet, 0 bis 1</translation>
    </message>
    <message>
        <source>Half of the 95 % interval of the overall accuracy; not there without intervals, or where no place is wrong</source>
        <translation>Hälfte des 95-%-Intervalls der Gesamtgenauigkeit; fehlt ohne Intervalle und wo kein Ort falsch ist</translation>
    </message>
    <message>
        <source>Reference places that count</source>
        <translation>Referenzorte, die zählen</translation>
    </message>
    <message>
        <source>ResNet-18, 11 million weights: quick, and enough for most maps</source>
        <translation>ResNet-18, 11 Millionen Gewichte: schnell, und genug für die meisten Karten</translation>
    </message>
    <message>
        <source>ResNet-34, 21 million weights</source>
        <translation>ResNet-34, 21 Millionen Gewichte</translation>
    </message>
    <message>
        <source>ResNet-50, 24 million weights: most open weights are of it</source>
        <translation>ResNet-50, 24 Millionen Gewichte: die meisten offenen Gewichte sind von ihm</translation>
    </message>
    <message>
        <source>EfficientNet-B0, 4 million weights: small, and slow on processors</source>
        <translation>EfficientNet-B0, 4 Millionen Gewichte: klein, und langsam auf Prozessoren</translation>
    </message>
    <message>
        <source>EfficientNet-B3, 11 million weights</source>
        <translation>EfficientNet-B3, 11 Millionen Gewichte</translation>
    </message>
    <message>
        <source>MobileNet-V2, 2 million weights: the smallest</source>
        <translation>MobileNet-V2, 2 Millionen Gewichte: das kleinste</translation>
    </message>
    <message>
        <source>Mix Vision Transformer B0, 3 million weights</source>
        <translation>Mix Vision Transformer B0, 3 Millionen Gewichte</translation>
    </message>
    <message>
        <source>ConvNeXt Atto of timm, 3 million weights</source>
        <translation>ConvNeXt Atto aus timm, 3 Millionen Gewichte</translation>
    </message>
    <message>
        <source>Three layers, for patches of a few pixels</source>
        <translation>Drei Schichten, für Ausschnitte von wenigen Pixeln</translation>
    </message>
    <message>
        <source>Each pixel alone, without its neighbours</source>
        <translation>Jedes Pixel für sich, ohne seine Nachbarn</translation>
    </message>
    <message>
        <source>For series of dates: L-TAE, the usual one</source>
        <translation>Für Zeitreihen: L-TAE, das übliche</translation>
    </message>
    <message>
        <source>For series of dates: LSTM</source>
        <translation>Für Zeitreihen: LSTM</translation>
    </message>
    <message>
        <source>For monthly series: Presto, with its weights</source>
        <translation>Für monatliche Zeitreihen: Presto, mit seinen Gewichten</translation>
    </message>
    <message>
        <source>For monthly series: Galileo, with its weights</source>
        <translation>Für monatliche Zeitreihen: Galileo, mit seinen Gewichten</translation>
    </message>
    <message>
        <source>For tiles of many dates: U-TAE</source>
        <translation>Für Kacheln mit vielen Terminen: U-TAE</translation>
    </message>
    <message>
        <source>The GPU if there is one, else the processor</source>
        <translation>Die GPU, wenn es eine gibt, sonst der Prozessor</translation>
    </message>
    <message>
        <source>The processor</source>
        <translation>Der Prozessor</translation>
    </message>
    <message>
        <source>The GPU of a Mac</source>
        <translation>Die GPU eines Mac</translation>
    </message>
    <message>
        <source>The first GPU</source>
        <translation>Die erste GPU</translation>
    </message>
    <message>
        <source>The second GPU</source>
        <translation>Die zweite GPU</translation>
    </message>
    <message>
        <source>All GPUs of this computer; training only</source>
        <translation>Alle GPUs dieses Rechners; nur beim Training</translation>
    </message>
    <message>
        <source>Free, with the names of the makers</source>
        <translation>Frei, mit Nennung der Urheber</translation>
    </message>
    <message>
        <source>As CC-BY, not for business</source>
        <translation>Wie CC-BY, aber nicht kommerziell</translation>
    </message>
    <message>
        <source>As CC-BY, changed copies under the same terms</source>
        <translation>Wie CC-BY, geänderte Kopien unter denselben Bedingungen</translation>
    </message>
    <message>
        <source>Free of all terms</source>
        <translation>Frei von allen Bedingungen</translation>
    </message>
    <message>
        <source>Free, as much software is</source>
        <translation>Frei, wie viel Software</translation>
    </message>
    <message>
        <source>Free, with a grant of patents</source>
        <translation>Frei, auch die Nutzung von Patenten</translation>
    </message>
    <message>
        <source>Not to be given to others</source>
        <translation>Nicht zur Weitergabe</translation>
    </message>
    <message>
        <source>SSL4EO-S12 MoCo v2: ResNet-18, Sentinel-2 L1C, 13 bands</source>
        <translation>SSL4EO-S12 MoCo v2: ResNet-18, Sentinel-2 L1C, 13 Kanäle</translation>
    </message>
    <message>
        <source>SSL4EO-S12 MoCo v2: ResNet-50, Sentinel-2 L1C, 13 bands</source>
        <translation>SSL4EO-S12 MoCo v2: ResNet-50, Sentinel-2 L1C, 13 Kanäle</translation>
    </message>
    <message>
        <source>SSL4EO-S12 DINO: ResNet-50, Sentinel-2 L1C, 13 bands</source>
        <translation>SSL4EO-S12 DINO: ResNet-50, Sentinel-2 L1C, 13 Kanäle</translation>
    </message>
    <message>
        <source>SSL4EO-S12 MoCo v2: ResNet-50, Sentinel-1 GRD in dB, VV and VH</source>
        <translation>SSL4EO-S12 MoCo v2: ResNet-50, Sentinel-1 GRD in dB, VV und VH</translation>
    </message>
    <message>
        <source>SSL4EO-S12 MoCo v2: ResNet-18, Sentinel-2 L1C, red, green and blue</source>
        <translation>SSL4EO-S12 MoCo v2: ResNet-18, Sentinel-2 L1C, Rot, Grün und Blau</translation>
    </message>
    <message>
        <source>SSL4EO-S12 MoCo v2: ResNet-50, Sentinel-2 L1C, red, green and blue</source>
        <translation>SSL4EO-S12 MoCo v2: ResNet-50, Sentinel-2 L1C, Rot, Grün und Blau</translation>
    </message>
    <message>
        <source>SoftCon: ResNet-50, Sentinel-2 L1C, 13 bands</source>
        <translation>SoftCon: ResNet-50, Sentinel-2 L1C, 13 Kanäle</translation>
    </message>
    <message>
        <source>SoftCon: ResNet-50, Sentinel-1 GRD in dB, VV and VH</source>
        <translation>SoftCon: ResNet-50, Sentinel-1 GRD in dB, VV und VH</translation>
    </message>
    <message>
        <source>BigEarthNet v2.0, supervised: ResNet-50, Sentinel-1 GRD in dB, VV and VH</source>
        <translation>BigEarthNet v2.0, überwacht: ResNet-50, Sentinel-1 GRD in dB, VV und VH</translation>
    </message>
    <message>
        <source>BigEarthNet v2.0, supervised: ResNet-50, Sentinel-2 L2A, 10 bands</source>
        <translation>BigEarthNet v2.0, überwacht: ResNet-50, Sentinel-2 L2A, 10 Kanäle</translation>
    </message>
    <message>
        <source>BigEarthNet v2.0, supervised: ResNet-50, Sentinel-1 (dB) and Sentinel-2 L2A stacked, 12 bands</source>
        <translation>BigEarthNet v2.0, überwacht: ResNet-50, Sentinel-1 (dB) und Sentinel-2 L2A zusammen, 12 Kanäle</translation>
    </message>
    <message>
        <source>Fields of the World v3.1 (PRUE, CC-BY), field boundaries: U-Net with EfficientNet-B3, Sentinel-2 of two dates, 8 bands</source>
        <translation>Fields of the World v3.1 (PRUE, CC-BY), Feldgrenzen: U-Net mit EfficientNet-B3, Sentinel-2 von zwei Terminen, 8 Kanäle</translation>
    </message>
    <message>
        <source>Fields of the World v3.1 (PRUE, CC-BY), field boundaries: U-Net with EfficientNet-B5, Sentinel-2 of two dates, 8 bands</source>
        <translation>Fields of the World v3.1 (PRUE, CC-BY), Feldgrenzen: U-Net mit EfficientNet-B5, Sentinel-2 von zwei Terminen, 8 Kanäle</translation>
    </message>
    <message>
        <source>OmniCloudMask 4, clouds and their shadows: U-Net with RegNetY-004, Sentinel-2 in red, green and near infrared</source>
        <translation>OmniCloudMask 4, Wolken und ihre Schatten: U-Net mit RegNetY-004, Sentinel-2 in Rot, Grün und nahem Infrarot</translation>
    </message>
    <message>
        <source>OmniCloudMask 4, clouds and their shadows: U-Net with EdgeNeXt-small, Sentinel-2 in red, green and near infrared</source>
        <translation>OmniCloudMask 4, Wolken und ihre Schatten: U-Net mit EdgeNeXt-small, Sentinel-2 in Rot, Grün und nahem Infrarot</translation>
    </message>
    <message>
        <source>ImageNet-1k, supervised: ResNet-18, photographs in red, green and blue</source>
        <translation>ImageNet-1k, überwacht: ResNet-18, Fotos in Rot, Grün und Blau</translation>
    </message>
    <message>
        <source>ImageNet-1k, supervised: ResNet-50, photographs in red, green and blue</source>
        <translation>ImageNet-1k, überwacht: ResNet-50, Fotos in Rot, Grün und Blau</translation>
    </message>
    <message>
        <source>Presto: monthly series of Sentinel-1 (dB) and Sentinel-2, for datasets of series</source>
        <translation>Presto: monatliche Zeitreihen von Sentinel-1 (dB) und Sentinel-2, für Datensätze aus Zeitreihen</translation>
    </message>
    <message>
        <source>Galileo nano: monthly series of Sentinel-1 (dB) and Sentinel-2, for datasets of series</source>
        <translation>Galileo nano: monatliche Zeitreihen von Sentinel-1 (dB) und Sentinel-2, für Datensätze aus Zeitreihen</translation>
    </message>
    <message>
        <source>On this computer</source>
        <translation>Auf diesem Rechner</translation>
    </message>
    <message>
        <source>Not set</source>
        <translation>Nicht gesetzt</translation>
    </message>
    <message>
        <source>Cancelled after {}</source>
        <translation>Abgebrochen nach {}</translation>
    </message>
    <message>
        <source>Welcome. One step is left: install the engine, which makes the maps, outside QGIS.</source>
        <translation>Willkommen. Ein Schritt fehlt noch: die Engine installieren, die außerhalb von QGIS die Karten erstellt.</translation>
    </message>
    <message>
        <source>Install the engine…</source>
        <translation>Engine installieren…</translation>
    </message>
    <message>
        <source>used before</source>
        <translation>zuletzt verwendet</translation>
    </message>
    <message>
        <source>File…</source>
        <translation>Datei …</translation>
    </message>
    <message>
        <source>Folder…</source>
        <translation>Ordner …</translation>
    </message>
    <message>
        <source>The engine is not installed.</source>
        <translation>Die Engine ist nicht installiert.</translation>
    </message>
    <message>
        <source>The installed engine makes maps, and cannot train (it is “predict”).</source>
        <translation>Die installierte Engine erstellt Karten und kann nicht trainieren (sie ist „predict“).</translation>
    </message>
    <message>
        <source>The installed engine makes maps, and cannot train (it is “predict_gpu”).</source>
        <translation>Die installierte Engine erstellt Karten und kann nicht trainieren (sie ist „predict_gpu“).</translation>
    </message>
    <message>
        <source>Run “Install the engine” (eopretrain:installengine) first.</source>
        <translation>Zuerst „Engine installieren“ (eopretrain:installengine) ausführen.</translation>
    </message>
    <message>
        <source>Run “Install the engine” (eopretrain:installengine) with “Train and make maps” (train) first.</source>
        <translation>Zuerst „Engine installieren“ (eopretrain:installengine) mit „Trainieren und Karten erstellen“ (train) ausführen.</translation>
    </message>
    <message>
        <source>Edit a Copy in the Model Designer…</source>
        <translation>Kopie im Modelldesigner bearbeiten…</translation>
    </message>
    <message>
        <source>All files (*)</source>
        <translation>Alle Dateien (*)</translation>
    </message>
    <message>
        <source>Where its bands lie in several files: those beyond the first. Scripts may give all of them there, as a list.</source>
        <translation>Wenn seine Kanäle in mehreren Dateien liegen: alle außer der ersten. Skripte können dort auch alle als Liste angeben.</translation>
    </message>
    <message>
        <source>More files of “{}”</source>
        <translation>Weitere Dateien von „{}“</translation>
    </message>
    <message>
        <source>{} files</source>
        <translation>{}-Dateien</translation>
    </message>
    <message>
        <source>Automatic: a GPU where there is one</source>
        <translation>Automatisch: eine GPU, wo es eine gibt</translation>
    </message>
    <message>
        <source>Processor</source>
        <translation>Prozessor</translation>
    </message>
    <message>
        <source>NVIDIA GPU</source>
        <translation>NVIDIA-GPU</translation>
    </message>
    <message>
        <source>Second NVIDIA GPU</source>
        <translation>Zweite NVIDIA-GPU</translation>
    </message>
    <message>
        <source>Third NVIDIA GPU</source>
        <translation>Dritte NVIDIA-GPU</translation>
    </message>
    <message>
        <source>Fourth NVIDIA GPU</source>
        <translation>Vierte NVIDIA-GPU</translation>
    </message>
    <message>
        <source>GPU of Apple</source>
        <translation>GPU von Apple</translation>
    </message>
    <message>
        <source>2 Installed engines</source>
        <translation>2 Installierte Engines</translation>
    </message>
    <message>
        <source>3 Device where an algorithm says auto</source>
        <translation>3 Gerät, wo bei einem Algorithmus auto steht</translation>
    </message>
    <message>
        <source>1 Engine: Python to use (empty: the one “Install the engine” built)</source>
        <translation>1 Engine: zu verwendendes Python (leer: das von „Engine installieren“)</translation>
    </message>
    <message>
        <source>4 Folder of downloaded weights (empty: beside the engine)</source>
        <translation>4 Ordner für heruntergeladene Gewichte (leer: neben der Engine)</translation>
    </message>
    <message>
        <source>5 Overpass server for “Fetch roads” (empty: https://overpass-api.de/api/interpreter)</source>
        <translation>5 Overpass-Server für „Straßen herunterladen“ (leer: https://overpass-api.de/api/interpreter)</translation>
    </message>
    <message>
        <source>6 Dask scheduler for work on several computers (empty: this one does it)</source>
        <translation>6 Dask-Scheduler für die Arbeit auf mehreren Rechnern (leer: dieser rechnet allein)</translation>
    </message>
    <message>
        <source>none; they are built in {}</source>
        <translation>keine; sie entstehen in {}</translation>
    </message>
    <message>
        <source>{}: {} in {}</source>
        <translation>{}: {} in {}</translation>
    </message>
    <message>
        <source>about {} GB</source>
        <translation>etwa {} GB</translation>
    </message>
    <message>
        <source>size unknown</source>
        <translation>Größe unbekannt</translation>
    </message>
    <message>
        <source>of an earlier version</source>
        <translation>aus einer früheren Version</translation>
    </message>
    <message>
        <source>used now</source>
        <translation>jetzt verwendet</translation>
    </message>
    <message>
        <source>Crops of parcels</source>
        <translation>Kulturen der Parzellen</translation>
    </message>
    <message>
        <source>More files of “Image”</source>
        <translation>Weitere Dateien von „Bild“</translation>
    </message>
    <message>
        <source>Polygons</source>
        <translation>Polygone</translation>
    </message>
    <message>
        <source>Land cover and its check</source>
        <translation>Landbedeckung und ihre Prüfung</translation>
    </message>
    <message>
        <source>Evaluation</source>
        <translation>Bewertung</translation>
    </message>
    <message>
        <source>Map from labels</source>
        <translation>Karte aus Labels</translation>
    </message>
    <message>
        <source>Images to learn from</source>
        <translation>Bilder, von denen gelernt wird</translation>
    </message>
    <message>
        <source>Image to map</source>
        <translation>Zu kartierendes Bild</translation>
    </message>
    <message>
        <source>Pretraining folder</source>
        <translation>Ordner des Vortrainings</translation>
    </message>
    <message>
        <source>Unlabelled tiles</source>
        <translation>Kacheln ohne Label</translation>
    </message>
    <message>
        <source>Pretrain and map</source>
        <translation>Vortrainieren und kartieren</translation>
    </message>
    <message>
        <source>Epochs of pretraining</source>
        <translation>Epochen des Vortrainings</translation>
    </message>
    <message>
        <source>Images without labels</source>
        <translation>Bilder ohne Labels</translation>
    </message>
    <message>
        <source>Roads beside a map</source>
        <translation>Straßen neben einer Karte</translation>
    </message>
</context>
</TS>
